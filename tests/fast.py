"""Which cases of a test `make test` runs."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_fast(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """The cases of a test, of which all behind the first `count` are slow: put one of each kind first.

    A tuple is the values of several names, and never a value itself.
    """
    return [_mark_slow(case) if place >= count else case for place, case in enumerate(cases)]


def _mark_slow(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
