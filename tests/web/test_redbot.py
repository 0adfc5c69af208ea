"""What redbot, a linter of HTTP answers, says of the page, the API and the bytes: nothing bad."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.audio.formats.corpus import make_wave
from tests.processes import running

PATHS = [
    "/", "/api/v1/audio/", "/audio/tone.wav", "/api/v1/audio/tone.wav", "/api/v1/tasks/", "/api/v1/domains/", "/docs",
    "/openapi.json", "/static/audio/audio.css", "/healthz", "/readyz", "/metrics", "/nowhere",
]  # fmt: skip
BORNE = {
    # It looks at the first bytes for the few audio types that browsers sniff, and knows audio/wav as audio/wave.
    "CONTENT_TYPE_MISMATCH"
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with a file and a task."""
    with running(tmp_path_factory.mktemp("redbot")) as gateway:
        with httpx.Client(base_url=gateway.url, trust_env=False) as client:
            assert client.put("/api/v1/audio/tone.wav", content=make_wave(100_000)).status_code == 201
            assert client.post("/api/v1/tasks/", json=["localhost:1"]).status_code == 201
        yield gateway.url


def list_notes(url: str) -> list[dict[str, Any]]:
    """The notes on one resource, conditional requests and ranges among them."""
    command = [sys.executable, "-m", "redbot.cli", "-o", "har", url]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [note for entry in json.loads(run.stdout)["log"]["entries"] for note in entry["_red_messages"]]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_redbot(url: str, path: str) -> None:
    """Nothing is bad, nothing is doubtful, and no cache has to guess."""
    notes = list_notes(url + path)
    assert len(notes) > 5
    bad = [note for note in notes if note["level"] in ("BAD", "WARN") and note["note_id"] not in BORNE]
    assert not bad
    assert "FRESHNESS_HEURISTIC" not in {note["note_id"] for note in notes}
