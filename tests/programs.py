"""The programs that tests call: found, or the test is skipped; but never under CI=true."""

import os
import shutil

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
