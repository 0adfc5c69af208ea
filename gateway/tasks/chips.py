"""The numbers of a task by class of code and by verdict: what the chips of its page say, and its bar. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .models import Task
from .results.selection import BAD_CODE, name_class

CHIPS = {
    "": "All", "bad": "Bad", "2xx": "2xx", "3xx": "3xx", "4xx": "4xx", "5xx": "5xx", "none": "No answer",
}  # fmt: skip
VERDICTS = {"moved": "Moved", "unsure": "Unsure", "broken": "Broken", "invalid": "Invalid"}
"""What the code alone does not say; `ok` needs no look."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter of the URLs of a task: its word in the address, its label, and how many URLs pass it."""

    show: str
    label: str
    count: int


def count_kinds(counts: Mapping[str, int]) -> Counter[str]:
    """How many URLs have each class of code, or `none`; `counts` are by code or error."""
    kinds = Counter[str]()
    for word, count in counts.items():
        kinds[name_class(int(word) if word.isdigit() else 0)] += count
    return kinds


def count_bad(counts: Mapping[str, int]) -> int:
    """How many URLs gave no answer, or one of 400 and over."""
    return sum(count for word, count in counts.items() if not word.isdigit() or not 0 < int(word) < BAD_CODE)


def list_chips(task: Task) -> list[Chip]:
    """The filters by code, all of them."""
    numbers = {"": task.total, "bad": count_bad(task.counts), **count_kinds(task.counts)}
    return [Chip(show, label, numbers.get(show, 0)) for show, label in CHIPS.items()]


def list_verdicts(task: Task) -> list[Chip]:
    """The filters by verdict, all of them."""
    found = {verdict.value: count for verdict, count in task.verdicts.items()}
    return [Chip(word, label, found.get(word, 0)) for word, label in VERDICTS.items()]
