"""Log lines: one line each whatever others put into it, and never a reason to wait."""

import errno
import io
import json
import logging
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from gateway.process.log_stream import LogStream
from gateway.process.logs import JsonFormatter, LogHandler, TextFormatter, escape_text
from tests.processes import BareGateway, Gateway

CONTROLS = [*map(chr, range(32)), *map(chr, range(127, 160)), *"\u061c\u200e\u200f\u2028\u2029\u202e\u2066\ufeff\udcff"]


def make_record(message: str, error: Exception | None = None) -> logging.LogRecord:
    """A record of a warning, with or without an exception."""
    trace = (type(error), error, None) if error else None
    return logging.LogRecord("gateway.test", logging.WARNING, "", 0, "said %s", (message,), trace)


def fill(descriptor: int) -> None:
    """Write to a pipe until no byte more has room."""
    os.set_blocking(descriptor, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"x" * size)
    os.set_blocking(descriptor, True)


@contextmanager
def open_pipe() -> Iterator[tuple[int, int]]:
    """A pipe: its end to read from and its end to write to."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("char", CONTROLS, ids=ascii)
def test_control_characters(char: str) -> None:
    """A control character, a line separator or a direction of writing is escaped in a line, JSON or text."""
    text = TextFormatter().format(make_record(f"a{char}b"))
    line = JsonFormatter().format(make_record(f"a{char}b"))
    assert char not in text + line
    assert json.loads(line)["message"] == f"said a{char}b"
    assert escape_text("Прелюдия 音楽 🎵 é") == "Прелюдия 音楽 🎵 é"


def test_paths() -> None:
    """A path that is not UTF-8 is shown with its bytes, also in an error of the disk and of a move."""
    line = io.StringIO()
    handler = LogHandler(line)
    odd = Path(os.fsdecode(b"/a/\xff\xd0\xbf"))
    error = OSError(errno.EXDEV, "no link", odd, None, "/b")
    record = logging.LogRecord("gateway", logging.INFO, "", 0, "%s %s %d", (odd, error, 1), None)
    handler.emit(record)
    shown = "/a/\\xffп"
    assert line.getvalue() == f"{shown} [Errno {errno.EXDEV}] no link: {shown!r} -> '/b' 1\n"


def test_forged_line() -> None:
    """Text of others in a traceback begins no line, and JSON has the whole of it in one."""
    error = ValueError("no\n2026-01-01 00:00:00,000 INFO gateway: forged\r\x1b[2J")
    lines = TextFormatter().format(make_record("x", error)).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("  ") for line in lines[1:])
    assert lines[2].endswith(r"\r\x1b[2J")
    assert "forged" in json.loads(JsonFormatter().format(make_record("x", error)))["error"]


def test_full_pipe() -> None:
    """A stream whose reader takes nothing takes lines up to its limit, drops the others, and says how many."""
    with open_pipe() as (far, near):
        fill(near)
        stream = LogStream(near, limit_bytes=10_000)
        handler = LogHandler(stream)
        handler.setFormatter(TextFormatter())
        for number in range(1000):
            handler.emit(make_record(f"line {number}"))
        os.set_blocking(far, False)
        text = b""
        while b" lines dropped" not in text:
            with suppress(BlockingIOError):
                text += os.read(far, 65_536)
            stream.drain(0.01)
            handler.emit(make_record("the last"))
        stream.drain()
        lines = text.decode().lstrip("x").splitlines()
        kept = [line for line in lines if "said line" in line]
        assert [line.rpartition(" ")[2] for line in kept] == [str(number) for number in range(len(kept))]
        told = next(line for line in lines if "lines dropped" in line)
        assert int(told.partition("WARNING gateway: ")[2].split()[0]) >= 1000 - len(kept) > 0


def test_encoding() -> None:
    """The log is UTF-8 whatever the locale, and what is no text in it is escaped."""
    with open_pipe() as (far, near):
        stream = LogStream(near)
        print("Прелюдия \udcff", file=stream)
        stream.drain()
        assert os.read(far, 100) == "Прелюдия \\udcff\n".encode()


def test_reader_that_is_gone() -> None:
    """A broken pipe is no error of the line."""
    with open_pipe() as (far, near), Path(os.devnull).open() as null:
        os.dup2(null.fileno(), far)
        stream = LogStream(near)
        print("line", file=stream)
        stream.drain()
        assert stream.take_dropped() == 0


@contextmanager
def frozen(kind: str) -> Iterator[int]:
    """A descriptor to write to that takes nothing: of a full pipe, or of a terminal at which Ctrl-S was pressed."""
    if kind == "pipe":
        with open_pipe() as (_, near):
            fill(near)
            yield near
        return
    master, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    try:
        yield terminal
    finally:
        os.close(master)
        os.close(terminal)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["pipe", "terminal"])
@pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])
def test_frozen_output(tmp_path: Path, kind: type[Gateway], output: str) -> None:
    """A gateway whose output and error stand still starts, answers and ends at SIGTERM, hypercorn's access log on."""
    gateway = kind(tmp_path)
    gateway.config = (*gateway.config, "--access-logfile", "-")
    with frozen(output) as gateway.output:
        gateway.start()
        with httpx.Client(trust_env=False) as client:
            for _ in range(200):
                assert client.get(f"{gateway.url}/healthz?{'x' * 8000}").status_code == 200
        assert gateway.stop() == 0
