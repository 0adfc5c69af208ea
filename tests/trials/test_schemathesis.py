"""Requests made up from /openapi.json, good and bad ones, alone and in a row: each answer is one that it tells of."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, Gateway
from tests.trials.conftest import Trial

TOKEN = {"Authorization": "Bearer secret"}
CASES = 2_000
FOLDER = ROOT / "tests" / "trials"
FULL = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "40"]
SHORT = ["--phases", "examples,fuzzing,stateful", "--max-examples", "8", "--seed", "1"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_schemathesis(tmp_path: Path, trial: Trial) -> None:
    """No check fails: no 5xx, no status, type, header or body that is not in the document, no bad request taken."""
    full = os.environ.get("TRIALS") == "full"
    gateway = Gateway(tmp_path, API_TOKEN="secret", PROBE_TIMEOUT="2", TRUSTED_PROXIES="127.0.0.1")
    gateway.start("/healthz")
    try:
        wait_for_redis(gateway.url)
        said, code = run_schemathesis(tmp_path, gateway.url, *(FULL if full else SHORT))
    finally:
        gateway.stop()
    problems = re.findall(r'" 5(?!03|07)\d\d |Traceback.*', gateway.log.read_text())
    counted = re.search(r"^  (\d+) generated", said, re.MULTILINE)
    assert counted, said
    trial.attempts = int(counted[1])
    for failure in re.findall(r"^- (.*)", said, re.MULTILINE):
        trial.check(met=False, violation=failure)
    trial.check(not problems, f"in the log: {problems[:3]}")
    assert code == 0, said
    assert trial.attempts >= (CASES if full else CASES // 10)


def wait_for_redis(url: str) -> None:
    """Return once calls of tasks can be answered."""
    deadline = time.monotonic() + 15
    while httpx.get(f"{url}/readyz", headers=TOKEN, trust_env=False).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run_schemathesis(folder: Path, url: str, *options: str) -> tuple[str, int]:
    """What it said, and its exit code."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml"),
        "run", f"{url}/openapi.json", "--header", f"Authorization: {TOKEN['Authorization']}", "--no-color", *options,
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(FOLDER)}
    run = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    return run.stdout + run.stderr, run.returncode
