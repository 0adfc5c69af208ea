"""Which cases of a test `make test` runs."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_fast(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """Cases for `parametrize`, all but the first `count` of them slow: those tell whether it works at all.

    As there a case is a value, or a tuple of values for several names.
    """
    return [_mark_slow(case) if place >= count else case for place, case in enumerate(cases)]


def _mark_slow(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
