"""The last line of a run on a terminal: how many URLs were checked, and how many have each verdict."""

from collections import Counter
from typing import Any

VERDICTS = ("ok", "moved", "unsure", "broken", "invalid")


class Summary:
    """Adds up the verdicts of tasks."""

    def __init__(self) -> None:
        self._checked = 0
        self._counts: Counter[str] = Counter()

    def add(self, urls: int, verdicts: Any) -> None:
        """Add a task of so many URLs; `verdicts` as the server has them, such as `{"ok": 301, "moved": 4}`."""
        self._checked += urls
        if isinstance(verdicts, dict):
            self._counts.update({word: verdicts[word] for word in VERDICTS if type(verdicts.get(word)) is int})

    def __str__(self) -> str:
        """`305 checked: 301 ok, 4 moved`; empty where the server did not tell the verdict of every URL."""
        if not self._checked or self._counts.total() != self._checked:
            return ""
        words = [f"{self._counts[word]:,} {word}" for word in VERDICTS if self._counts[word]]
        return f"{self._checked:,} checked: {', '.join(words)}"
