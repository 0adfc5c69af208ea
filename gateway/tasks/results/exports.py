"""The probes of a task as JSON, CSV or Markdown. Text in, bytes out.

A body is made piece by piece, and the coroutine yields to the event loop between two pieces.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from anyio.lowlevel import checkpoint
from pydantic_core import to_json

from gateway.tasks.models import Probe

from .table import ProbeTable

PIECE_ROWS = 500
"""How many rows a piece has: 3 ms."""
COLUMNS = (
    "index", "url", "code", "error", "verdict", "detail", "cached", "elapsed_s", "attempts", "location", "final_url",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would compute (OWASP, "CSV Injection"; ASVS 5, 1.2.10), also in full width."""
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LINKABLE = re.compile(r"https?://[^\s<>|\\]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the export. `head` comes before the rows."""

    media_type: str
    suffix: str
    head: bytes
    write: Callable[[Iterable[Probe]], bytes]

    async def write_body(self, table: ProbeTable, places: Sequence[int]) -> bytes:
        """The body that has the probes at these places."""
        body = bytearray(self.head)
        for start in range(0, len(places), PIECE_ROWS):
            body += self.write(table.list_probes(places[start : start + PIECE_ROWS]))
            await checkpoint()
        return bytes(body)


async def write_json(table: ProbeTable, places: Sequence[int], total: int) -> bytes:
    """The body of `models.Probes` with the probes at these places; `total` is how many match."""
    pieces = []
    for start in range(0, len(places), PIECE_ROWS):
        pieces.append(to_json(table.list_probes(places[start : start + PIECE_ROWS]))[1:-1])
        await checkpoint()
    return b'{"total":%d,"probes":[%b]}' % (total, b",".join(pieces))


def write_csv(probes: Iterable[Probe]) -> bytes:
    """Lines of `COLUMNS` (RFC 4180); a cell that would be a formula gets an apostrophe in front."""
    lines = io.StringIO()
    csv.writer(lines).writerows([_write_cell(getattr(probe, name)) for name in COLUMNS] for probe in probes)
    return lines.getvalue().encode()


def write_markdown(probes: Iterable[Probe]) -> bytes:
    """Rows of a table of GitHub's Markdown; a URL of http or https is a link."""
    return "".join(map(_write_line, probes)).encode()


def _write_cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _write_line(probe: Probe) -> str:
    code = "" if probe.code is None else f"{probe.code:03d}"
    reason = probe.detail or probe.error or probe.final_url or probe.location or ""
    seconds = "" if probe.elapsed_s is None else f"{probe.elapsed_s:.3f}"
    is_link = _LINKABLE.fullmatch(probe.url) and not _CONTROLS.search(probe.url)
    link = f"<{probe.url}>" if is_link else _escape(probe.url)
    return f"| {probe.index + 1} | {code} | {probe.verdict or ''} | {link} | {_escape(reason)} | {seconds} |\n"


def _escape(text: str) -> str:
    """The text without markup, in one line; `@name` would tell that person of a report on GitHub."""
    return _MARKUP.sub(lambda char: f"\\{char[0]}", _CONTROLS.sub("\ufffd", text)).replace("@", "&#64;")


_MARKDOWN_HEAD = b"| # | code | verdict | URL | to / why | s |\n| --: | --- | --- | --- | --- | --: |\n"
FORMATS = {
    "csv": Format("text/csv", "csv", (",".join(COLUMNS) + "\r\n").encode(), write_csv),
    "markdown": Format("text/markdown", "md", _MARKDOWN_HEAD, write_markdown),
}
"""By the word in `?format=`."""
