"""Kills what a run of the tests leaves behind, however the run ends: Ctrl-C, SIGTERM, kill -9.

All that the tests start inherits a mark in its environment. This program waits until the run has ended, and kills every
process with the mark. It needs /proc; elsewhere it finds nothing.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "GATEWAY_TEST_RUN"


def start_watchdog() -> subprocess.Popen[bytes]:
    """Mark what this process starts from now on. The watchdog acts when its stdin is closed."""
    mark = f"{MARK}={os.getpid()}-{time.time_ns()}"
    command = [sys.executable, __file__, mark, str(os.getsid(0))]
    watchdog = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[MARK] = mark.partition("=")[2]
    return watchdog


def end_watchdog(watchdog: subprocess.Popen[bytes]) -> None:
    """Let it kill what is left, and wait for it."""
    watchdog.communicate()


def find_marked(mark: bytes) -> list[int]:
    """The ids of the processes with this variable in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def main() -> None:
    """Wait for the end of stdin, then kill until nothing is left."""
    sys.stdin.buffer.read()
    while marked := find_marked(sys.argv[1].encode()):
        for pid in marked:
            with suppress(ProcessLookupError):
                if os.getsid(pid) == int(sys.argv[2]):
                    os.kill(pid, signal.SIGKILL)
                else:  # Redis has written over its environment: it goes with its group
                    os.killpg(os.getpgid(pid), signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
