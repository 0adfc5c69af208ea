"""One URL of a run as the reports print it: its place (`FILE:LINE`) and its probe."""

from dataclasses import dataclass
from typing import Any

from .links import Url
from .terminal import escape_url

NOT_URLS = frozenset({"invalid_url", "unsupported_scheme"})
"""Errors of a text that is no URL: printed with its file and line."""
COLUMNS = ("url", "code", "verdict", "attempts", "error", "detail", "place")


@dataclass(frozen=True)
class Row:
    """One URL and its probe as the task API has it, or only the `code` of that where the report needs no more."""

    url: Url
    probe: dict[str, Any]
    is_bad: bool

    @property
    def code(self) -> int:
        """The HTTP code, 0 without an answer."""
        code: int = self.probe["code"]
        return code

    @property
    def values(self) -> dict[str, Any]:
        """The `COLUMNS`; None for what is missing, such as the verdict of an older server."""
        probed = {name: self.probe.get(name) for name in COLUMNS}
        return probed | {"url": self.url.text, "place": self.url.place or None}

    @property
    def verdict(self) -> str:
        """The verdict of the server: ok, moved, unsure, broken or invalid; empty where it has none."""
        return show_value(self.probe.get("verdict"))

    @property
    def is_not_url(self) -> bool:
        """Whether it is a line of a file that is no URL at all."""
        return bool(self.url.place) and self.probe.get("error") in NOT_URLS

    @property
    def reason(self) -> str:
        """Why there is no answer, empty where there is one."""
        return escape_url(
            str(self.probe.get("detail") or self.probe.get("error") or ("" if self.code else "no answer"))
        )


def show_value(value: Any) -> str:
    """A value of the server in one line; empty for None."""
    return "" if value is None else escape_url(str(value))
