"""What crawl.py prints in each format, which codes are good, and what a baseline leaves out."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway_client.acceptance import Acceptance, parse_codes, read_baseline
from gateway_client.inputs import read_urls
from gateway_client.links import Url
from gateway_client.reports import FORMATS, ColouredTsv
from gateway_client.rows import Row
from gateway_client.terminal import UsageError
from tests.clients.commands import Run
from tests.clients.test_crawl import SCRIPT, Tasks, urls_of
from tests.clients.wire import serve_calls
from tests.fast import first_fast

ROWS = [
    Row(Url("http://x/200"), {"code": 200, "error": None, "detail": None}, is_bad=False),
    Row(Url("http://x/a|b", "list:3"),
        {"code": 404, "verdict": "unsure", "attempts": 2, "error": None, "detail": "Retry-After: 3"}, is_bad=True),
    Row(Url("no <url>\t\x1b&\uffff", "a,b.md:7"),
        {"code": 0, "verdict": "invalid", "attempts": 0, "error": "invalid_url", "detail": 'bad "host"\n'},
        is_bad=True),
]  # fmt: skip
PRINTED = {
    "tsv": "200\thttp://x/200\n404\thttp://x/a|b\n000\tno <url>%09%1B&\uffff\n",
    "csv": 'url,code,verdict,attempts,error,detail,place\nhttp://x/200,200,,,,,\n'
           'http://x/a|b,404,unsure,2,,Retry-After: 3,list:3\n'
           'no <url>%09%1B&\uffff,0,invalid,0,invalid_url,"bad ""host""%0A","a,b.md:7"\n',
    "markdown": "| code | verdict | attempts | URL | reason | place |\n| --- | --- | --- | --- | --- | --- |\n"
                "| 200 |  |  | <http://x/200> |  |  |\n"
                "| 404 | unsure | 2 | http://x/a\\|b | Retry-After: 3 | list:3 |\n"
                '| 000 | invalid | 0 | no \\<url\\>%09%1B\\&\uffff | bad "host"%0A | a,b.md:7 |\n',
    "junit": '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="crawl" tests="3" failures="2">\n'
             '<testsuite name="crawl" tests="3" failures="2">\n<testcase classname="crawl" name="http://x/200"/>\n'
             '<testcase classname="list" name="http://x/a|b" file="list" line="3">'
             '<failure type="code" message="404 Retry-After: 3 (unsure)"/></testcase>\n'
             '<testcase classname="a,b.md" name="no &lt;url&gt;%09%1B&amp;\ufffd" file="a,b.md" line="7">'
             '<failure type="invalid_url" message="000 bad &quot;host&quot;%0A"/></testcase>\n'
             "</testsuite>\n</testsuites>\n",
}  # fmt: skip
EMPTY = {"tsv": "", "json": "[]\n", "csv": "url,code,verdict,attempts,error,detail,place\n"}


@pytest.mark.parametrize("name", PRINTED)
def test_formats(name: str) -> None:
    """Each format has one line a URL, however the rows come; nothing in a URL breaks it."""
    whole = FORMATS[name]()
    assert whole.add(ROWS) + whole.finish() == PRINTED[name]
    pieces = FORMATS[name]()
    assert "".join([*(pieces.add([row]) for row in ROWS), pieces.add([]), pieces.finish()]) == PRINTED[name]
    if name == "junit":
        assert len(ET.fromstring(PRINTED[name].encode()).findall(".//failure")) == 2
    if name == "csv":
        assert [len(row) for row in csv.reader(PRINTED[name].splitlines())] == [7] * 4


@pytest.mark.parametrize(
    ("code", "verdict", "is_bad", "colour"),
    [(200, "ok", False, 32), (200, None, False, 32), (301, "moved", False, 33), (403, "unsure", True, 33),
     (404, "broken", True, 31), (404, "broken", False, 32), (301, "moved", True, 31), (0, None, True, 31)],
)  # fmt: skip
def test_colours(code: int, verdict: str | None, colour: int, *, is_bad: bool) -> None:
    """Green is good, yellow a redirect or unsure, red bad; the codes that are good decide before the verdict."""
    row = Row(Url("http://x/"), {"code": code, "verdict": verdict}, is_bad)
    assert ColouredTsv().add([row]) == f"\x1b[{colour}m{code:03d}\x1b[m\thttp://x/\n"


def test_json_array() -> None:
    """The array has the columns of each URL as they are; what a server of an earlier version lacks is null."""
    report = FORMATS["json"]()
    text = report.add(ROWS[:1]) + report.add(ROWS[1:])
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text)
    assert json.loads(text + report.finish()) == [
        {"url": row.url.text, "verdict": None, "attempts": None, "place": row.url.place or None} | row.probe
        for row in ROWS
    ]


def test_no_rows() -> None:
    """Without a row a format is still whole."""
    for name, expected in EMPTY.items():
        assert FORMATS[name]().finish() == expected
    assert len(FORMATS["markdown"]().finish().splitlines()) == 2
    assert 'tests="0"' in FORMATS["junit"]().finish()


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("200", [200], [0, 199, 201]),
        ("200..299,403", [200, 299, 403], [0, 199, 300, 402, 404]),
        ("200..=204, 500..", [200, 204, 500, 999], [205, 499]),
        ("..399", [1, 399], [0, 400]),
    ],
)
def test_accepted_codes(text: str, good: list[int], bad: list[int]) -> None:
    """Both ends of a range are good codes, an end that is missing is the last code; 000 is never one."""
    codes = parse_codes(text)
    assert set(good) <= codes
    assert not set(bad) & codes


@pytest.mark.parametrize(
    "text", ["", ",", "200,", "x", "2000", "0", "000", "300..200", "..", "200-299", "-1", "²", "1..2..3"]
)
def test_wrong_codes(text: str) -> None:
    """What is no list of codes is refused."""
    with pytest.raises(ValueError, match=r".*"):
        parse_codes(text)


def test_baseline(tmp_path: Path) -> None:
    """Newly bad URLs and those that are good again are shown; only the first make --fail fail."""
    path = tmp_path / "baseline"
    path.write_text(json.dumps([{"url": "a", "code": 404}, {"url": "b", "code": 0}, {"url": "c", "code": 200}]))
    good = parse_codes("..399")
    acceptance = Acceptance(good, only_bad=False, baseline=read_baseline(str(path), good))
    seen = {(url, code): acceptance.is_shown(url, code) for url in "abcd" for code in (200, 404)}
    assert [each for each, shown in seen.items() if shown] == [("a", 200), ("b", 200), ("c", 404), ("d", 404)]
    assert [url for url in "abcd" if acceptance.is_failure(url, 500)] == ["c", "d"]
    only_bad = Acceptance(good, only_bad=True, baseline=acceptance.baseline)
    assert [url for url in "abcd" if only_bad.is_shown(url, 200)] == []
    assert [url for url in "abcd" if only_bad.is_shown(url, 404)] == ["c", "d"]
    assert read_baseline(str(path), parse_codes("404")) == {"b", "c"}


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '[{"url": 1, "code": 2}]', '[{"url": "a", "code": true}]', "[" * 100_000, "\0", "\ud800",
     '[{"url": "a", "code": ' + "9" * 5000 + "}]"],
)  # fmt: skip
def test_bad_baseline(text: str, tmp_path: Path) -> None:
    """A file that is no baseline is one line."""
    (tmp_path / "baseline").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match="baseline: it is no baseline: write one by --format json"):
        read_baseline(str(tmp_path / "baseline"), frozenset())


def test_csv_is_read_again(tmp_path: Path) -> None:
    """What --format csv prints is a file for -f."""
    report = FORMATS["csv"]()
    (tmp_path / "out.csv").write_text(report.add(ROWS) + report.finish())
    texts = [url.text for url in read_urls([], [str(tmp_path / "out.csv")], [], 1.0)]
    assert texts == ["http://x/200", "http://x/a|b", "no <url>%09%1B&\uffff"]


@pytest.mark.parametrize(
    "url",
    ["=1+1", "+1", "-2", "@x", "'=1", "''-", "\t=1", "\r=1", "\uff1d1", "\uff0b1", "'x", "x=1", "'", "http://x/"],
)
def test_csv_has_no_formulas(url: str, tmp_path: Path) -> None:
    """No cell begins as a formula of a spreadsheet does; -f reads the URLs as they were."""
    report = FORMATS["csv"]()
    probe = {"code": 0, "verdict": "=1", "attempts": -1, "error": "@x", "detail": "\t+1"}
    (tmp_path / "out.csv").write_text(report.add([Row(Url(url, "-:4"), probe, is_bad=True)]))
    [_, cells] = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\uff1d\uff0b"))]
    assert cells[2:] == ["'=1", "'-1", "'@x", "%09+1", "'-:4"]
    [read] = read_urls([], [str(tmp_path / "out.csv")], [], 1.0)
    assert read.text == url.replace("\t", "%09").replace("\r", "%0D")


# --- The command line ---------------------------------------------------------------------------------------

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("options", "code", "printed"),
    first_fast(
        [
            (["--fail", "--accept", "200,404"], 1, [200, 404, "x"]),
            (["--only", "bad"], 0, [404, "x"]),
            (["--fail", "--accept", "404"], 1, [200, 404, "x"]),
            (["--only", "bad", "--accept", "404"], 0, [200, "x"]),
            (["--only", "bad", "--fail"], 1, [404, "x"]),
        ],
        2,
    ),
)
async def test_accept_and_only(options: list[str], code: int, printed: list[int | str], run: Run) -> None:
    """--accept says which codes are good for --fail and --only bad; reasons are of URLs that are shown."""
    async with serve_calls(Tasks()) as url:
        outcome = await run(SCRIPT, *options, *urls_of(200, 404, "x"), GATEWAY_URL=url)
    assert outcome.code == code
    assert [line.split("\t")[1] for line in outcome.out.splitlines()] == urls_of(*printed)
    assert len(outcome.lines) == 1


async def test_fail_by_accepted_codes(run: Run) -> None:
    """Codes that are good by --accept are exit code 0."""
    async with serve_calls(Tasks()) as url:
        outcome = await run(SCRIPT, "--fail", "--accept", "200,500..", *urls_of(200, 503), GATEWAY_URL=url)
    assert outcome.code == 0


@pytest.mark.slow
async def test_only_differences(run: Run, tmp_path: Path) -> None:
    """A run by --format json is a baseline for the next, and both are whole on stdout alone."""
    async with serve_calls(Tasks()) as url:
        first = await run(SCRIPT, "--format", "json", *urls_of(404, 200, "x"), GATEWAY_URL=url)
        (tmp_path / "old.json").write_text(first.out.replace("404,", "200,").replace("/200", "/500"))
        options = ["--fail", "--baseline", "old.json"]
        second = await run(SCRIPT, *options, *urls_of(404, 200, "x"), GATEWAY_URL=url)
        same = await run(SCRIPT, *options, *urls_of("x", 204), GATEWAY_URL=url)
    assert (first.code, first.err) == (0, "")
    assert [row["code"] for row in json.loads(first.out)] == [404, 200, 0]
    assert json.loads(first.out)[2] | {"detail": None} == {
        "url": "http://site/x", "code": 0, "verdict": None, "attempts": None, "error": "dns", "detail": None,
        "place": None,
    }  # fmt: skip
    assert (second.code, second.out, second.err) == (1, "404\thttp://site/404\n", "")
    assert (same.code, same.out, same.err) == (0, "", "")


async def test_each_format_on_the_command_line(run: Run, tmp_path: Path) -> None:
    """All of a format goes to stdout; places are those of the file."""
    (tmp_path / "list").write_text("\n".join(urls_of(200, "x", 500)))
    async with serve_calls(Tasks()) as url:
        for name in ("json", "csv", "markdown", "junit"):
            outcome = await run(SCRIPT, "--format", name, "-f", "list", GATEWAY_URL=url)
            assert (outcome.code, outcome.err) == (0, "")
            assert outcome.out.count("http://site/") == 3
            assert ("list:2" in outcome.out) is (name != "junit")
        empty = await run(SCRIPT, "--format", "json", "-f", "/dev/null", GATEWAY_URL=url)
    assert (empty.code, empty.out) == (0, "[]\n")


@pytest.mark.parametrize("options", [["--accept", "x"], ["--only", "good"], ["--format", "xml"], ["--baseline", "none"],
                                     ["--json", "--format", "json"], ["--baseline", "."]])  # fmt: skip
async def test_wrong_options(options: list[str], run: Run) -> None:
    """An option that makes no sense is exit code 2, with words."""
    outcome = await run(SCRIPT, *options, "http://x/")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.lines[-1].startswith("crawl.py: ")


def test_markdown_names_nobody() -> None:
    """A name behind @, in a place or a reason, tells nobody of a report that is posted."""
    row = Row(Url("nonsense", "@team/list.txt:1"), {"code": 0, "error": "invalid_url", "detail": "@everyone"}, True)  # noqa: FBT003
    assert "@" not in FORMATS["markdown"]().add([row])
