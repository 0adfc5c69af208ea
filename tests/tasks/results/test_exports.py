"""The probes of a task as CSV and Markdown."""

import csv
import io
import json

import httpx
import pytest

from gateway.tasks.models import Probe, ProbeError, Verdict
from gateway.tasks.results.exports import COLUMNS, write_csv, write_markdown
from tests.target import Target

pytestmark = pytest.mark.anyio


def make_probe(url: str, code: int | None = 200, detail: str | None = None, error: ProbeError | None = None) -> Probe:
    """A probe of that URL."""
    verdict = Verdict.OK if code == 200 else Verdict.BROKEN if code is not None else None
    return Probe(0, url, code, error, verdict, detail, False, 0.25, 1, None, None, None)  # noqa: FBT003


async def post(client: httpx.AsyncClient, urls: list[str]) -> str:
    """The path of the probes of a task that is ready."""
    path = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
    while (await client.get(path, headers={"Prefer": "wait=5"})).json()["status"] != "ready":
        pass
    return f"{path}/probes"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff20"])
def test_csv_formulas(begin: str) -> None:
    """What a spreadsheet would compute has an apostrophe before it; a number has none."""
    text = f'{begin}cmd|"/c calc"!A0'
    ((index, url, code, error, _, detail, *_),) = csv.reader(
        io.StringIO(write_csv([make_probe(text, 0, text)]).decode(), newline="")
    )
    assert (index, url, code, error, detail) == ("0", f"'{text}", "0", "", f"'{text}")


def test_csv_cells() -> None:
    """Commas, quotation marks and line ends stay in their cell; what is not known is empty."""
    probes = [make_probe('http://a/,"b"\nc'), make_probe("http://a/", None)]
    first, second = csv.DictReader(io.StringIO(write_csv(probes).decode(), newline=""), COLUMNS)
    assert (first["url"], first["cached"], first["elapsed_s"]) == ('http://a/,"b"\nc', "false", "0.25")
    assert (second["code"], second["error"], second["final_url"]) == ("", "", "")


def test_markdown() -> None:
    """URLs are links; what is markup, ends a line or turns the text round is not taken for it."""
    probes = [
        make_probe("http://a/?x=1&y=*"),
        make_probe("http://a/|b", 404),
        make_probe("[x](javascript:alert(1))", 0, "a|b\n`c`\u202e", ProbeError.INVALID_URL),
        make_probe("http://a/\u202e", None),
        make_probe("<script>", 0, None, ProbeError.DNS),
    ]
    assert write_markdown(probes).decode().splitlines() == [
        "| 1 | 200 | ok | <http://a/?x=1&y=*> |  | 0.250 |",
        "| 1 | 404 | broken | http://a/\\|b |  | 0.250 |",
        "| 1 | 000 | broken | \\[x\\](javascript:alert(1)) | a\\|b\ufffd\\`c\\`\ufffd | 0.250 |",
        "| 1 |  |  | http://a/\ufffd |  | 0.250 |",
        "| 1 | 000 | broken | \\<script\\> | dns | 0.250 |",
    ]


async def test_formats(client: httpx.AsyncClient, target: Target) -> None:
    """A format by its name or by Accept, with a name for the file; the name in the query decides."""
    urls = [f"{target.url}/code/200", f"{target.url}/code/404", "=1+1"]
    path = await post(client, urls)
    name = path.split("/")[-2]
    table = await client.get(f"{path}?format=csv&show=bad")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="{name}-bad.csv"' in table.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [(row["index"], row["url"], row["code"]) for row in rows] == [("1", urls[1], "404"), ("2", "'=1+1", "0")]
    asked = {"Accept": "text/markdown;q=0.9, text/html;q=0.5"}
    text = await client.get(f"{path}?limit=1", headers=asked)
    assert text.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert f'filename="{name}.md"' in text.headers["Content-Disposition"]
    assert text.text.splitlines()[:2] == [
        "| # | code | verdict | URL | to / why | s |",
        "| --: | --- | --- | --- | --- | --: |",
    ]
    assert [f"<{url}>" in text.text for url in urls] == [True, False, False]
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}, {"Accept": "application/json, text/csv"}):
        assert "Accept" in (answer := await client.get(path, headers=headers)).headers["Vary"]
        assert [probe["url"] for probe in answer.json()["probes"]] == urls
        assert "Content-Disposition" not in answer.headers
    assert (await client.get(f"{path}?format=json", headers=asked)).headers["Content-Type"] == "application/json"
    assert (await client.get(f"{path}?format=xml")).status_code == 422


async def test_pages(client: httpx.AsyncClient, target: Target) -> None:
    """A page of what matches, how many match, and what is refused."""
    urls = [f"{target.url}/code/{code}" for code in (200, 404, 500, 404)]
    path = await post(client, urls)
    page = (await client.get(f"{path}?show=bad&sort=-code&offset=1&limit=2")).json()
    assert page["total"] == 3
    assert [(probe["index"], probe["code"]) for probe in page["probes"]] == [(1, 404), (3, 404)]
    assert (await client.get(f"{path}?offset=9")).json() == {"total": 4, "probes": []}
    assert (await client.get(f"{path}?q=/CODE/5&show=")).json()["total"] == 1
    refused = await client.get(f"{path}?show=nonsense")
    assert (refused.status_code, refused.json()["field"]) == (422, "show")
    assert json.loads((await client.get(path)).content)["total"] == 4
