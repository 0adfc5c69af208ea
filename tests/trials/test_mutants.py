"""Damaged files of every form, of audio and of other things, put into a served library: no failure of the server."""

import io
import random
import time

import httpx
import pytest

from gateway.audio.formats.detect import HEAD_BYTES, detect_type, may_be_audio
from tests.audio.formats.cases import CASES
from tests.audio.formats.corpus import AUDIO, MAGICS, NOT_AUDIO, VIDEO, Corpus, read_program
from tests.trials.conftest import ROOM, Trial

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]

SNIFF_MS, MEASURE_MS = 50, 200
"""The promise: so much CPU for what is judged while the loop waits, and for what is measured by a worker thread."""


def flip_bits(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    """Some bits are wrong, most of them near the beginning, where the structure is."""
    damaged = bytearray(data)
    for _count in range(rng.randrange(1, 40)):
        at = rng.randrange(min(len(damaged), rng.choice((64, 1024, 1 << 30)))) if damaged else 0
        damaged[at : at + 1] = bytes([damaged[at] ^ 1 << rng.randrange(8)]) if damaged else b""
    return bytes(damaged)


def truncate(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(min(len(data), rng.choice((64, 4096, 1 << 30))) + 1)]


def splice(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """The beginning of one file and a part of another."""
    other = rng.choice(others)
    start = rng.randrange(len(other) + 1)
    return data[: rng.randrange(min(len(data), rng.choice((64, 4096, 1 << 30))) + 1)] + other[start:]


def repeat(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    """A part stands there many times: structures without end."""
    at = rng.randrange(len(data) + 1)
    part = data[at : at + rng.randrange(1, 64)]
    return data[:at] + part * rng.randrange(2, 5000) + data[at:]


def lie(data: bytes, rng: random.Random, _: list[bytes]) -> bytes:
    """Lengths and counts that are zero, negative or without end."""
    damaged = bytearray(data)
    for _count in range(rng.randrange(1, 6)):
        at = rng.randrange(min(len(damaged), 2048) + 1)
        size = rng.choice((1, 2, 4, 8))
        damaged[at : at + size] = rng.choice((b"\0", b"\xff", b"\x80", b"\x7f")) * size
    return bytes(damaged)


MUTATIONS = (flip_bits, truncate, splice, repeat, lie)


async def test_mutated_files(trial: Trial, client: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A damaged file is taken as audio and served byte by byte, or refused by 415; its head is judged in 50 ms."""
    corpus = Corpus(tmp_path_factory.mktemp("corpus"))
    sources = [corpus[name] for name in (*AUDIO, *VIDEO)]
    sources += [case.make(corpus) for case in CASES.values()]
    sources += [*NOT_AUDIO.values(), *MAGICS.values(), read_program()]
    rng, slowest_ms, longest_ms, accepted = random.Random(3), 0.0, 0.0, 0
    for number in trial.run(full=1000, short=60):
        mutation = rng.choice(MUTATIONS)
        data = mutation(rng.choice(sources), rng, sources)
        before_s = time.thread_time()
        possible = may_be_audio(data[:HEAD_BYTES])
        between_s = time.thread_time()
        found = detect_type(io.BytesIO(data), len(data))
        slowest_ms = max(slowest_ms, (between_s - before_s) * 1000)
        longest_ms = max(longest_ms, (time.thread_time() - between_s) * 1000)
        trial.check(possible or not found, f"{number}: audio whose head is refused")
        answer = await client.put(f"/api/v1/audio/{number}.bin", content=data)
        wanted = 201 if found else 415
        trial.check(answer.status_code == wanted, f"{number} {mutation.__name__}: {answer.status_code}, not {wanted}")
        if answer.status_code == 201:
            accepted += 1
            name = f"{number}.bin"
            served = await client.get(f"/audio/{name}")
            trial.check(served.content == data, f"{number}: other bytes are served")
            trial.check(served.headers["Content-Type"].startswith("audio/"), f"{number}: {served.headers}")
            details = await client.get(f"/api/v1/audio/{name}")
            trial.check(details.status_code == 200, f"{number}: {details.status_code} for what is told of it")
            cover = await client.get(details.json()["cover"] or details.json()["url"])
            trial.check(cover.status_code in (200, 404), f"{number}: {cover.status_code} for its cover")
            await client.delete(f"/api/v1/audio/{name}")
    trial.check(slowest_ms < SNIFF_MS * ROOM, f"judged in {slowest_ms:.1f} ms")
    trial.check(longest_ms < MEASURE_MS * ROOM, f"measured in {longest_ms:.1f} ms")
    trial.check((await client.get("/api/v1/audio/")).json()["files"] == [], "something is left")
    trial.figures |= {
        "taken": accepted,
        "slowest judgement": f"{slowest_ms:.1f} ms",
        "measurement": f"{longest_ms:.1f} ms",
    }
