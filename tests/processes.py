"""Gateways as processes of their own, served as `make run` serves them: to be killed, stopped and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.settings import Settings

ROOT = Path(__file__).parent.parent
START_S = STOP_S = 60
SETTINGS = {str(field.validation_alias) for field in Settings.model_fields.values()}


def free_port() -> int:
    """A port of the loopback address that no other process is given while this one runs.

    This process stays bound to it, so that the kernel gives it to nothing that asks for any port. A server that sets
    SO_REUSEADDR can listen on it all the same (Linux, socket(7)); until one does, connections are refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = int(holder.getsockname()[1])
    if sys.platform == "linux":
        holder.detach()
    else:
        holder.close()
    return port


class Gateway:
    """One gateway on one folder and one port; starts and ends as often as it is told.

    `settings` stand in its environment; without them it may probe any address, and nothing of the tester's own
    settings reaches it.
    """

    config: tuple[str, ...] = ("--config", str(ROOT / "hypercorn.toml"))
    app = "gateway:app"
    host = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    """The beginning of its command: a program that starts it."""
    output: int | None = None
    """The descriptor of its standard output and error; None: the file `log`."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"gateway-{self.port}.log"
        outside = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        here = {"PYTHONPATH": f"{ROOT}:{ROOT / 'bench'}", "DATA_DIR": str(folder / "data"), "PROBE_TARGETS": "any"}
        self._environment = outside | here | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it, in a process group of its own, and return at once."""
        serve = [*self.prefix, sys.executable, "-m", "hypercorn", *self.config]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*serve, "--bind", f"{self.host}:{self.port}", self.app],
                cwd=self.folder, env=self._environment, stdout=self.output or log, stderr=self.output or log,
                start_new_session=True,
            )  # fmt: skip

    def start(self, path: str = "/readyz") -> None:
        """Start it and return once `path` (by default: with its Redis and its folder) answers 200.

        :raises AssertionError: it ended, or is not ready in time; with its log.
        """
        self.launch()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.url}{path}", timeout=1):
                return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the gateway does not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9 of its whole process group, as a crash of the machine would."""
        self._signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self._signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def freeze(self) -> None:
        """SIGSTOP: it lives and does nothing, as on a machine that is out of breath."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class BareGateway(Gateway):
    """A gateway as `hypercorn gateway:app` serves it, without hypercorn.toml: a master and a worker."""

    config: tuple[str, ...] = ()


class HeartGateway(Gateway):
    """A gateway that says at `/held` how long its event loop was held."""

    app = "heart:app"


@contextmanager
def running(folder: Path, port: int | None = None, *, until: str = "/readyz", **settings: str) -> Iterator[Gateway]:
    """A gateway that answers 200 at `until`, by default a ready one; it is asked to end afterwards, if it has not."""
    gateway = Gateway(folder, port, **settings)
    gateway.start(until)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()
