"""What a trial is: the same fault many times at other moments, counted; it prints attempts and violations.

`make test-slow` runs each trial for a few attempts. `make trials` runs all of them in full (TRIALS=full).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

FULL = os.environ.get("TRIALS") == "full"
ROOM = 1 if FULL else 10
"""How many times a promised time may be taken: `make trials` has the machine for itself, others share it."""


@dataclass
class Trial:
    """Counts attempts, and what went wrong in them."""

    name: str
    attempts: int = 0
    violations: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    """What was measured on the way, printed beside the counts; nothing is asserted of it."""

    def run(self, *, full: int, short: int) -> Iterator[int]:
        """The numbers of the attempts: `full` of them with TRIALS=full, else `short`."""
        for number in range(full if FULL else short):
            self.attempts += 1
            yield number

    def check(self, met: object, violation: str) -> None:
        """Count a violation if a promise was not kept; the trial goes on, and fails at its end."""
        if not met:
            self.violations.append(violation)

    def __str__(self) -> str:
        figures = "".join(f", {name} {value}" for name, value in self.figures.items())
        return f"{self.name}: {self.attempts} attempts, {len(self.violations)} violations{figures}"


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The trial of this test: printed at the end of the run, failed if a promise was not kept or nothing was tried."""
    trial = Trial(request.node.name.removeprefix("test_"))
    yield trial
    request.node.user_properties.append(("trial", str(trial)))
    assert trial.attempts, "nothing was tried"
    assert not trial.violations, "\n".join(trial.violations[:20])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line a trial, whichever process ran it."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    ends = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "teardown"]
    lines = sorted(str(line) for report in ends for name, line in report.user_properties if name == "trial")
    if lines:
        terminalreporter.section("trials")
        for line in lines:
            terminalreporter.write_line(line)
