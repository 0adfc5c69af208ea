"""Which tests a fault in credentials.py is put before, and in which order: hooks of pytest, in the copy of mutation.py.

mutmut counts what a test calls in its own process; what the program does in one of its own is added here. The parser is
not put before the tests of deadlines, which would ask the same of it once more, slowly.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import credentials

ROOT = Path(__file__).parents[1]
OF_CONNECTIONS = re.compile(r"credentials\.xǁ(Connection|Server)ǁ")
OF_THE_PROGRAM = re.compile(r"credentials\.(x_bind|x_main|xǁServerǁ|xǁConnectionǁanswer)")
WITHOUT_SERVER = ("tests/credentials/test_answer.py", "tests/credentials/test_parse.py")
DEADLINES = "tests/credentials/test_deadlines.py"
processes: list[object] = []


@pytest.hookimpl(specname="pytest_configure")
def note_processes() -> None:
    """Notes every process that is started."""
    sys.addaudithook(lambda event, arguments: processes.append(arguments) if event == "subprocess.Popen" else None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """While mutmut counts: a test that has started a process has called the program; no head is known twice."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        called: set[str] = sys.modules["mutmut.state"].state()._stats
        if item.nodeid.startswith(DEADLINES):
            called.intersection_update([name for name in called if OF_CONNECTIONS.match(name)])
        if processes:
            mutants = json.loads((ROOT / "credentials.py.meta").read_text())["exit_code_by_key"]
            called.update(name.rpartition("__mutmut_")[0] for name in mutants if OF_THE_PROGRAM.match(name))
        processes.clear()
        credentials.parse_head.cache_clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests without a server come first, then those that took the least time."""
    known = ROOT / "mutmut-stats.json"
    took_s: dict[str, Any] = json.loads(known.read_text())["duration_by_test"] if known.exists() else {}
    items.sort(key=lambda item: (not item.nodeid.startswith(WITHOUT_SERVER), took_s.get(item.nodeid, 0)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The first failure is the end: a server that hangs is not waited for."""
    if report.failed and "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", ""):
        os._exit(1)
