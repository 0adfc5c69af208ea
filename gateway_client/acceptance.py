"""The rules of `--accept`, `--only`, `--baseline` and `--fail`: which codes are good, which URLs are printed."""

import json
import re
from dataclasses import dataclass
from typing import Any

from .sources import ENDLESS_BYTES, open_bytes
from .terminal import UsageError, escape_url, find_reason

MAX_CODE = 999
_RANGE = re.compile(r"(\d{0,3})(?:(\.\.=?)(\d{0,3}))?", re.ASCII)


def parse_codes(text: str) -> frozenset[int]:
    """The codes of `200..299,403`: both ends of a range are part of it, either may be missing.

    :raises ValueError: it is something else.
    """
    codes: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match or not (match[1] or match[3]):
            raise ValueError(part)
        first = int(match[1] or 1)
        last = int(match[3] or MAX_CODE) if match[2] else first
        if not 1 <= first <= last:
            raise ValueError(part)
        codes.update(range(first, last + 1))
    return frozenset(codes)


@dataclass(frozen=True)
class Acceptance:
    """What a run accepts: `good` codes, whether `only_bad` URLs are shown, and a baseline, if there is one.

    `baseline` has the URLs that were bad in an earlier run.
    """

    good: frozenset[int]
    only_bad: bool
    baseline: frozenset[str] | None

    def is_bad(self, code: int) -> bool:
        """Whether a code, 0 for no answer, is bad."""
        return code not in self.good

    def is_failure(self, url: str, code: int) -> bool:
        """Whether `--fail` counts it as a failure: it is bad, and not in the baseline."""
        return self.is_bad(code) and url not in (self.baseline or ())

    def is_shown(self, url: str, code: int) -> bool:
        """Whether it is printed; with a baseline only if it is newly bad, or good again."""
        is_bad = self.is_bad(code)
        if self.baseline is not None and is_bad == (url in self.baseline):
            return False
        return is_bad or not self.only_bad


def read_baseline(path: str, good: frozenset[int]) -> frozenset[str]:
    """The URLs that are bad in a file written by `--format json`.

    :raises UsageError: it cannot be read, or is something else.
    """
    try:
        with open_bytes(path) as file:
            rows: Any = json.loads(file.read(ENDLESS_BYTES))
    except OSError as error:
        raise UsageError(f"{escape_url(path)}: {find_reason(error)}") from None
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise UsageError(f"{escape_url(path)}: it is no baseline: write one by --format json")
    return frozenset(row["url"] for row in rows if row["code"] not in good)


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("url"), str) and type(row.get("code")) is int
