"""docs/operation.md: the lines of the log in its table of symptoms are those of the code and of gateways in trouble."""

import ast
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from gateway.tasks.models import ProbeError
from tests.audio.formats.corpus import make_wave
from tests.disks import mounting
from tests.processes import ROOT, Gateway, free_port, running
from tests.redis_server import serving
from tests.waiting import wait_until
from tests.web.test_proxies import PROXIES

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

MIN_LITERAL = 12
"""A format of the code with fewer characters of its own would match anything."""
REFUSED = {
    "host-refused": "refused …: This server is not …; ALLOWED_HOSTS says which names it has. (host-refused)",
    "cross-site": "refused …: Writes from another site are refused. (cross-site)",
    "too-many-wrong-tokens": (
        "refused …: Too many wrong tokens came from this address; the right one is always accepted."
        " (too-many-wrong-tokens)"
    ),
}
READONLY, OOM, MISCONF, NOREPLICAS = (
    f"redis: … refuses to work: {word} …" for word in ("READONLY", "OOM", "MISCONF", "NOREPLICAS")
)
AWAY, NO_PERMISSIONS = "redis: … is away: …", "redis: … no permissions …"
FOLDER, NO_DESCRIPTORS = (
    "the audio folder failed: [Errno …] …",
    "the audio folder failed: [Errno 24] Too many open files…",
)
NO_SPACE, PORT_TAKEN, BAD_SETTINGS = "… 507 …", "cannot listen on … port …: Address already in use", "bad settings:"
GOING_ON = "task …: going on with what another gateway left"
NO_OWNER = "redis: the embedded server at … has no owner; taking it over"
DAMAGED = "redis: … is damaged at byte …: it was cut off there, and the last … bytes are kept in …"
PRODUCED = {
    *REFUSED.values(), READONLY, OOM, MISCONF, NOREPLICAS, AWAY, NO_PERMISSIONS, FOLDER, NO_DESCRIPTORS, NO_SPACE,
    PORT_TAKEN, BAD_SETTINGS, GOING_ON, NO_OWNER, DAMAGED, *PROXIES, '"POST /api/v1/tasks/" 429 …',
    "… lines dropped: the reader of the log took none",
}  # fmt: skip
"""What a test here, of proxies, of the access log or of tests/process/test_logs.py makes a real process write."""


def read_document() -> str:
    """docs/operation.md."""
    return (ROOT / "docs" / "operation.md").read_text()


@cache
def list_lines() -> set[str]:
    """The lines of the log in the table of symptoms, without the metrics."""
    table = read_document().partition("<!-- symptoms -->")[2].partition("<!-- end symptoms -->")[0]
    cells = [row.split(" | ")[1] for row in table.splitlines()[3:] if row.startswith("|")]
    spans = {span for cell in cells for span in re.findall(r"`([^`]+)`", cell)}
    assert len(spans) > 30
    return {span for span in spans if not re.match(r"(gateway|process)_", span)}


@cache
def list_formats() -> set[str]:
    """The formats that the gateway gives its loggers, with `…` for each value."""
    found = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
        for call in calls:
            text = call.args[0]
            if re.match(r"(log|logger)\.", ast.unparse(call.func)) and isinstance(text, ast.Constant):
                found.add(re.sub(r"%(\.\d)?[a-z]", "…", str(text.value)))
    return found


def matches(pattern: str, text: str) -> bool:
    """Whether a line with `…` for what differs stands in `text`."""
    return re.search(".*".join(map(re.escape, pattern.split("…"))), text) is not None


def check_log(log: str, *lines: str) -> None:
    """A real log has these lines, and so has the document."""
    assert set(lines) <= list_lines()
    assert not [line for line in lines if not matches(line, log)], log[-3000:]


def await_line(gateway: Gateway, line: str) -> None:
    """Return once the log of a gateway has a line.

    :raises AssertionError: it has none in time.
    """
    deadline = time.monotonic() + 60
    while not matches(line, gateway.log.read_text()):
        assert time.monotonic() < deadline, gateway.log.read_text()[-3000:]
        time.sleep(0.05)


def check_gateway(gateway: Gateway, *lines: str) -> None:
    """The log of a gateway gets these lines (a thread writes it), and the document has them."""
    for line in lines:
        await_line(gateway, line)
    check_log(gateway.log.read_text(), *lines)


def test_lines() -> None:
    """Each line of the table is a format of the code, or is produced by a process in trouble in some test."""
    formats = {text for text in list_formats() if len(text.replace("…", "").strip()) >= MIN_LITERAL}
    unknown = {line for line in list_lines() if not any(matches(text, line) for text in formats)}
    assert unknown <= PRODUCED
    assert list_lines() >= PRODUCED


def test_metrics_and_outcomes() -> None:
    """Outcomes that the document asks Prometheus for are those of probes."""
    outcomes = re.findall(r'outcome=~?"([a-z\\|]+)"', read_document())
    assert {word for text in outcomes for word in re.split(r"\\?\|", text)} <= set(ProbeError)
    assert outcomes


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a token and a name."""
    folder = tmp_path_factory.mktemp("guarded")
    with running(folder, until="/healthz", API_TOKEN="0123456789abcdef", ALLOWED_HOSTS="audio.example.com") as gateway:
        yield gateway


@pytest.mark.slow
def test_refusals(guarded: Gateway) -> None:
    """A foreign Host, a write from another site and a guesser of tokens are lines of the log."""
    right = {"Authorization": "Bearer 0123456789abcdef"}
    with httpx.Client(base_url=guarded.url, trust_env=False) as client:
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
        evil = {"Origin": "https://evil.example"}
        assert client.post("/api/v1/tasks/", json=[], headers=right | evil).status_code == 403
        codes = {client.get("/", headers={"Authorization": f"Bearer {i}"}).status_code for i in range(12)}
        metrics = set(re.findall(r"^([a-z_]+)[ {]", client.get("/metrics", headers=right).text, re.MULTILINE))
    assert codes == {401, 429}
    check_gateway(guarded, *REFUSED.values())
    told = set(re.findall(r"\b(?:gateway|process)_[a-z_]+\b", read_document()))
    told -= {"gateway_probes_total"}  # which begins with the first probe
    assert told <= {name for each in metrics for name in (each, each.removesuffix("_bucket"))}


@pytest.mark.slow
async def test_redis_in_trouble(tmp_path: Path) -> None:
    """A replica, a full Redis, one without replicas or permissions, and none at all are lines of the log."""
    port = free_port()
    async with serving(tmp_path / "redis", port) as server, Redis(port=port) as redis:
        with running(tmp_path, REDIS_URL=f"redis://127.0.0.1:{port}") as gateway:

            async def provoke(line: str, spoil: tuple[str, ...], mend: tuple[str, ...]) -> None:
                await redis.execute_command(*spoil)  # type: ignore[no-untyped-call]
                await wait_until(lambda: matches(line, gateway.log.read_text()))
                await redis.execute_command(*mend)  # type: ignore[no-untyped-call]
                await wait_until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200)

            set_config = ("CONFIG", "SET")
            await provoke(READONLY, ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"))
            await provoke(OOM, (*set_config, "maxmemory", "1"), (*set_config, "maxmemory", "0"))
            replicas = "min-replicas-to-write"
            await provoke(NOREPLICAS, (*set_config, replicas, "1"), (*set_config, replicas, "0"))
            await provoke(NO_PERMISSIONS, ("ACL", "SETUSER", "default", "-set"), ("ACL", "SETUSER", "default", "+@all"))
            server.kill()
            await wait_until(lambda: matches(AWAY, gateway.log.read_text()))
            check_gateway(gateway, READONLY, OOM, NOREPLICAS, NO_PERMISSIONS, AWAY)


@pytest.mark.slow
def test_full_disks(tmp_path: Path) -> None:
    """A full disk under Redis and under the audio folder, then a disk that is read only, are lines of the log."""
    with mounting(tmp_path / "data", "16m") as data, mounting(tmp_path / "audio", "16m") as audio:
        with (
            running(tmp_path, until="/healthz", DATA_DIR=str(data), AUDIO_DIR=str(audio)) as gateway,
            httpx.Client(base_url=gateway.url, trust_env=False) as client,
        ):
            with pytest.raises(OSError, match="No space"):
                (data / "full").write_bytes(bytes(20_000_000))
            await_line(gateway, MISCONF)
            (data / "full").unlink()
            while not client.get("/readyz").json()["redis"]["available"]:
                time.sleep(0.1)
            assert client.put("/api/v1/audio/a.wav", content=make_wave(20_000_000)).status_code == 507
            subprocess.run(["mount", "-o", "remount,ro", audio], check=True)
            assert client.put("/api/v1/audio/b.wav", content=make_wave(20_000)).status_code == 503
        check_gateway(gateway, NO_SPACE, MISCONF, FOLDER)


@pytest.mark.slow
def test_no_descriptors(tmp_path: Path) -> None:
    """A gateway that may open no more files says so when a client uploads."""
    with running(tmp_path) as gateway, httpx.Client(base_url=gateway.url, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        usual = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (45, usual[1]))
        crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(60)]
        assert client.put("/api/v1/audio/a.wav", content=make_wave(1000)).status_code == 503
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, usual)
        for connection in crowd:
            connection.close()
        check_gateway(gateway, NO_DESCRIPTORS)


@pytest.mark.slow
def test_no_start(tmp_path: Path) -> None:
    """A port that is taken and a setting that cannot be end the command with 1 and the lines of the table."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        for line, settings in ((PORT_TAKEN, {}), (BAD_SETTINGS, {"TIMEOUT": "soon"})):
            command = [sys.executable, "-m", "gateway", "--port", str(taken.getsockname()[1])]
            environment = {"PYTHONPATH": str(ROOT), **settings}
            run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert run.returncode == 1
            check_log(run.stderr, line)


@pytest.mark.slow
def test_takeover_and_power_cut(tmp_path: Path) -> None:
    """What a killed gateway leaves is taken over, its Redis too; a file without a sound end is mended at the start."""
    first, second = Gateway(tmp_path), Gateway(tmp_path)
    first.start()
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert httpx.post(f"{first.url}/api/v1/tasks/", json=[silent_url]).status_code == 201
        second.start()
        first.kill()
        await_line(second, GOING_ON)
    check_gateway(second, GOING_ON, NO_OWNER)
    second.kill()
    [file] = (tmp_path / "data/redis/appendonlydir").glob("*.incr.aof")
    file.write_bytes(file.read_bytes() + b"*3\r\n$3\r\nSE")
    second.start()
    second.stop()
    check_gateway(second, DAMAGED)
