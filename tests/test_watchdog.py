"""A run of the tests that is interrupted leaves nothing behind."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.watchdog import find_marked

pytestmark = pytest.mark.slow

INNER = """
import subprocess
import time

from tests.browser import open_browser
from tests.conftest import *
from tests.processes import running
from tests.watchdog import *


@pytest.mark.anyio
async def test_forever(browser, client, tmp_path):
    with running(tmp_path):
        (Path(__file__).parent / "mark").write_text(f"{MARK}={os.environ[MARK]}")
        time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    """Neither the gateways, nor their Redis, nor Chromium outlive pytest."""
    (tmp_path / "test_inner.py").write_text(INNER)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
    with subprocess.Popen(
        [*command, "--basetemp", str(tmp_path / "base"), "-p", "tests.conftest", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ) as run:
        while not (mark := tmp_path / "mark").exists() or not mark.stat().st_size:
            assert run.poll() is None
            time.sleep(0.1)
        assert len(find_marked(mark.read_bytes())) > 5
        assert find_inside(tmp_path / "base")
        run.send_signal(number)
        run.wait()
    while find_marked(mark.read_bytes()) or find_inside(tmp_path):  # until the time of the test is over
        time.sleep(0.1)


def find_inside(folder: Path) -> list[str]:
    """The processes whose working folder is in this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if path.readlink().is_relative_to(folder):
                found.append(path.parent.name)
    return found
