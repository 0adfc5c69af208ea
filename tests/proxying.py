"""A proxy as a process."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOON_S = 60


@contextmanager
def proxying(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Run the command of a proxy, whose log is in `folder`, from when its port answers to the end of the block."""
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + SOON_S
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
