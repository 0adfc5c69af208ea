"""The programs that tests call: found, or the test is skipped; but never under CI=true."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def need(*programs: str) -> str:
    """The path of the first of `programs` that is here. Without one the test is skipped, but fails under CI=true."""
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None:
        message = f"{programs[0]} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def install_npm(source: Path, folder: Path) -> Path:
    """`folder` with what is in `source` and, in node_modules, what its package-lock.json names; as `need`."""
    need("node")
    npm = need("npm")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"npm ci: {done.stderr.strip()[-500:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


def need_python(version: str) -> str:
    """The path of this Python ("3.10"), on PATH or of pyenv. Without one the test is skipped: Debian has one Python."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    found = str(pyenv[-1]) if pyenv else shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"Python {version} is not installed")
    return found
