"""Retry-After (RFC 9110, 10.2.3), as a number of seconds that can be waited: pure."""

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?")


def read_retry_after(value: str, now: float | None = None) -> float | None:
    """For how many seconds a site asks to be left alone; None if the value cannot be read.

    `value` is a number of seconds, with a fraction as some hosts send it, or an HTTP date; `now` is seconds since the
    epoch, by default the clock's.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)  # asctime, of RFC 9110, 5.6.7
        left_s = date.timestamp() - (time.time() if now is None else now)
    except (ValueError, TypeError, OverflowError):
        return None
    return float(math.ceil(left_s)) if left_s > 0 else 0.0
