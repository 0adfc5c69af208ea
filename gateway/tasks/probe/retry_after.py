"""Retry-After (RFC 9110, 10.2.3), as a number of seconds that can be waited: pure."""

import math
import time
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 60.0
"""A host that asks for more is left alone for so long: a task is to become ready some time."""


def read_retry_after(value: str, now: float | None = None) -> float | None:
    """For how many seconds a host asks to be left alone, at most `MAX_RETRY_AFTER_S`; None if it says nothing so.

    `value` is a whole number of seconds or an HTTP date; `now` is seconds since the epoch, by default the clock's.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        left_s = parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(float(math.ceil(left_s)), MAX_RETRY_AFTER_S) if left_s > 0 else 0.0
