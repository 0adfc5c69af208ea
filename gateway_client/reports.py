"""The formats of the output: rows in, text out. `escape_url` keeps each URL on its line.

Report
├── Tsv          `code<TAB>url`; ColouredTsv on a terminal
├── JsonLines    the objects of the task API, one a line
├── JsonArray    an array of objects, which `--baseline` reads
├── Csv
├── Markdown     a table
└── Junit        XML for continuous integration; printed at the end, as it begins with its counts
"""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from html import escape

from .formulas import add_apostrophe
from .rows import COLUMNS, Row, show_value
from .terminal import escape_url

RED, GREEN, YELLOW = 31, 32, 33
"""Colours of ECMA-48, 8.3.117 (SGR)."""
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&]")
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


class Report(ABC):
    """Formats rows. `needs_probes`: it prints more than codes, which are quicker to get."""

    needs_probes = True

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> str:
        """The text of some rows; the first ones come with the heading."""

    def leaves_out(self, _: Row, /) -> bool:
        """Whether the text lacks the reason or the place of a failure, which then goes to stderr."""
        return False

    def finish(self) -> str:
        """The text behind the last row."""
        return ""


class Tsv(Report):
    """`code<TAB>url`."""

    needs_probes = False

    def add(self, rows: Sequence[Row]) -> str:
        """One line a row."""
        return "".join(f"{self.format_code(row)}\t{escape_url(row.url.text)}\n" for row in rows)

    def format_code(self, row: Row) -> str:
        """Three digits."""
        return f"{row.code:03d}"

    def leaves_out(self, row: Row, /) -> bool:
        """A URL without an answer."""
        return not row.code


class ColouredTsv(Tsv):
    """`Tsv` for a terminal, with the code in colour."""

    needs_probes = True

    def format_code(self, row: Row) -> str:
        """Green for a good code, yellow for a redirect or where the verdict is unsure, red for any other bad code."""
        if row.is_bad:
            colour = YELLOW if row.verdict == "unsure" else RED
        else:
            colour = YELLOW if 300 <= row.code < 400 else GREEN
        return f"\x1b[{colour}m{row.code:03d}\x1b[m"


class JsonLines(Report):
    """The probes of the task API. They do not have the place."""

    def add(self, rows: Sequence[Row]) -> str:
        """One object a line."""
        return "".join(f"{json.dumps(row.probe)}\n" for row in rows)

    def leaves_out(self, row: Row, /) -> bool:
        """The place of a text that is not a URL."""
        return row.is_not_url


class JsonArray(Report):
    """An array of objects with `COLUMNS`. It is valid JSON only after `finish`."""

    def __init__(self) -> None:
        self._before = "[\n"

    def add(self, rows: Sequence[Row]) -> str:
        """One object a line."""
        text = ""
        for row in rows:
            text += f"{self._before}  {json.dumps(row.values)}"
            self._before = ",\n"
        return text

    def finish(self) -> str:
        """The end of the array."""
        return "\n]\n" if self._before == ",\n" else "[]\n"


class Table(Report):
    """A format with a heading, printed also when there are no rows."""

    def __init__(self) -> None:
        self._heading = self.format_heading()

    def add(self, rows: Sequence[Row]) -> str:
        """One line a row."""
        return self._take_heading() + "".join(map(self.format_row, rows))

    def finish(self) -> str:
        """The heading, if there was no row."""
        return self._take_heading()

    @abstractmethod
    def format_heading(self) -> str:
        """The lines before the first row."""

    @abstractmethod
    def format_row(self, row: Row) -> str:
        """The line of a row."""

    def _take_heading(self) -> str:
        heading, self._heading = self._heading, ""
        return heading


class Csv(Table):
    """Comma-separated `COLUMNS`; `-f` reads it."""

    def format_heading(self) -> str:
        """The names of the columns."""
        return ",".join(COLUMNS) + "\n"

    def format_row(self, row: Row) -> str:
        """The values, quoted where they must be, none of them a formula."""
        line = io.StringIO()
        cells = (add_apostrophe(show_value(value)) for value in row.values.values())
        csv.writer(line, lineterminator="\n").writerow(cells)
        return line.getvalue()


class Markdown(Table):
    """A table of GitHub's Markdown."""

    def format_heading(self) -> str:
        """The names of the columns, and the line below them."""
        return "| code | verdict | attempts | URL | reason | place |\n| --- | --- | --- | --- | --- | --- |\n"

    def format_row(self, row: Row) -> str:
        """The values; a URL that Markdown can link is a link."""
        url = escape_url(row.url.text)
        linked = f"<{url}>" if re.fullmatch(r"https?://[^\s<>|\\]+", url) else _escape_markdown(url)
        cells = (row.verdict, show_value(row.probe.get("attempts")), row.reason, row.url.place)
        verdict, attempts, reason, place = map(_escape_markdown, cells)
        return f"| {row.code:03d} | {verdict} | {attempts} | {linked} | {reason} | {place} |\n"


class Junit(Report):
    """JUnit's XML, a test case for each URL, a failure for each bad one."""

    def __init__(self) -> None:
        self._cases: list[str] = []
        self._failures = 0

    def add(self, rows: Sequence[Row]) -> str:
        """Nothing: the counts come first."""
        for row in rows:
            self._failures += row.is_bad
            self._cases.append(self._format_case(row))
        return ""

    def finish(self) -> str:
        """The whole document."""
        counts = f'name="crawl" tests="{len(self._cases)}" failures="{self._failures}"'
        cases = "".join(self._cases)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<testsuites {counts}>\n<testsuite {counts}>\n{cases}</testsuite>\n</testsuites>\n"
        )

    def _format_case(self, row: Row) -> str:
        file, _, line = row.url.place.rpartition(":")
        place = f' file="{_escape_xml(file)}" line="{line}"' if file else ""
        name = _escape_xml(row.url.text)
        case = f'<testcase classname="{_escape_xml(file or "crawl")}" name="{name}"{place}'
        if not row.is_bad:
            return f"{case}/>\n"
        message = f"{row.code:03d} {row.reason}".rstrip() + (" (unsure)" if row.verdict == "unsure" else "")
        kind = row.probe.get("error") or "code"
        return f'{case}><failure type="{_escape_xml(str(kind))}" message="{_escape_xml(message)}"/></testcase>\n'


FORMATS: dict[str, type[Report]] = {
    "tsv": Tsv, "json": JsonArray, "csv": Csv, "markdown": Markdown, "junit": Junit,
}  # fmt: skip


def _escape_markdown(text: str) -> str:
    """The text without markup; `@name` would tell that person of a report on GitHub."""
    return _MARKUP.sub(lambda char: f"\\{char[0]}", text).replace("@", "&#64;")


def _escape_xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", escape(escape_url(text)))
