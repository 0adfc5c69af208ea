"""What the measurements share: 500 hosts on loopback, servers as processes, their cost, one form of result.

A result is one line, `=> work | peer | target | measured`; `python bench` gathers them into a table.
"""

import http.client
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HOSTS = [f"127.0.{1 + i // 250}.{1 + i % 250}" for i in range(500)]
TASK_URLS = 10_000
POLL_S = 0.02
RESULT = "=> "


def find_port() -> int:
    """A port that is free on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def raise_file_limit() -> None:
    """Let this process and its children hold as many connections as the system allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def running(command: Sequence[str], folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as the block; its words go to `folder`/log."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


@contextmanager
def running_site(folder: Path, latency_s: float) -> Iterator[int]:
    """The port on which all of HOSTS answer, each request after that latency."""
    port = find_port()
    command = [sys.executable, str(ROOT / "bench/site.py"), str(port), str(latency_s), *HOSTS]
    with running(command, folder) as site:
        assert site.stdout is not None
        site.stdout.readline()
        yield port


class Process:
    """A process under measurement."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def read_cpu_s(self) -> float:
        """Seconds of CPU that the process has used, user and system, all threads, without its children."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def read_peak_bytes(self) -> int:
        """The most memory that it has held since the last call, and count anew from here."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return peak * 1024


class Server(Process):
    """A task API under measurement: its process, and calls over one connection that stays open."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        super().__init__(process.pid)
        self.url = f"http://127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def call(self, method: str, path: str, value: Any = None) -> Any:
        """The JSON that answers; `value` is sent as JSON, bytes as they are."""
        body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        headers = {"Content-Type": "application/json", "Prefer": "wait=30"}
        while True:
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):  # closed while another had its turn
                self._connection.close()
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
            content = answer.read()
            if answer.status < 300:
                break
            if answer.status != 503:
                raise SystemExit(f"{method} {path}: {answer.status} {content[:500]!r}")
            print("503, once more: the machine is busy", flush=True)
            time.sleep(1)
        return json.loads(content)

    def run_tasks(self, urls: Sequence[str]) -> float:
        """Seconds until every URL has its code, in tasks of TASK_URLS that are posted one after another.

        Each must be 200. A server that knows no `Prefer: wait` is asked every POLL_S.
        """
        bodies = [json.dumps(urls[start : start + TASK_URLS]).encode() for start in range(0, len(urls), TASK_URLS)]
        begun = time.perf_counter()
        tasks = [self.call("POST", "/api/v1/tasks/", body) for body in bodies]
        codes: list[int] = []
        for task in tasks:
            state = task
            while state["status"] != "ready":
                state = self.call("GET", f"/api/v1/tasks/{task['id']}")
                if state["status"] != "ready":
                    time.sleep(POLL_S)
            codes += state["result"]
        taken_s = time.perf_counter() - begun
        if codes != [200] * len(urls):
            raise SystemExit(f"{sum(code == 200 for code in codes)} of {len(urls)} URLs answered 200")
        return taken_s


def find_redis(gateway: Process) -> Process:
    """The embedded server of a gateway."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return Process(int(children[0]))


@contextmanager
def running_gateway(folder: Path, app: str = "gateway:app", **settings: str) -> Iterator[Server]:
    """A gateway as `make run` serves it, on a folder of its own, which may probe loopback; ready with its Redis."""
    port = find_port()
    config = ["--config", str(ROOT / "hypercorn.toml"), "--bind", f"127.0.0.1:{port}"]
    given = {"DATA_DIR": str(folder / "data"), "PROBE_TARGETS": "any", "PER_HOST": "50", "TIMEOUT": "3600"} | settings
    with running([sys.executable, "-m", "hypercorn", *config, app], folder, **given) as process:
        wait_ready(f"http://127.0.0.1:{port}/readyz")
        yield Server(process, port)


def wait_ready(url: str) -> None:
    """Return once that answers."""
    for _ in range(500):
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(url)


def make_wav(path: Path, size_bytes: int) -> Path:
    """A sound of that size, of bytes that no disk and no road can make smaller."""
    noise = os.urandom(1_000_000)
    with path.open("wb") as file:
        form = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        file.write(b"RIFF" + struct.pack("<I", size_bytes - 8) + form + b"data" + struct.pack("<I", size_bytes - 44))
        while file.tell() < size_bytes:
            file.write(noise[: size_bytes - file.tell()])
    return path


def time_curl(*arguments: str) -> float:
    """Seconds that curl takes for one request, by its own clock; it must be answered 200 or 201."""
    command = ["curl", "-s", "-o", os.devnull, "-H", "Expect:", "-w", "%{http_code} %{time_total}", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if not answer or answer[0] not in ("200", "201"):
        raise SystemExit(f"curl {' '.join(arguments)}: {answer}")
    return float(answer[1])


def make_urls(port: int, tag: object, total: int) -> list[str]:
    """URLs of all hosts in turn that nobody has asked for under another tag."""
    return [f"http://{HOSTS[i % len(HOSTS)]}:{port}/{tag}/{i}" for i in range(total)]


def tell(
    work: str, peer: str, measured: float, *, at_most: float | None = None, at_least: float = 0, unit: str = ""
) -> None:
    """Print a result beside its target."""
    if at_most is None:
        target, met = f"at least {at_least:.3g}{unit}", measured >= at_least
    else:
        target, met = f"at most {at_most:.3g}{unit}", measured <= at_most
    figure = f"{measured:.0f}" if measured >= 10 else f"{measured:.2f}"
    print(f"{RESULT}{work} | {peer} | {target} | {figure}{unit}{'' if met else ' (missed)'}", flush=True)
