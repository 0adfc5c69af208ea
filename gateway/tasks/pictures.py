"""The pictures of the URL page, as SVG that needs no style: the codes of a task, its times, shares. Pure.

Attributes alone say where something is, in per cent, so that patterns and letters keep their form at every width. The
colours come from the style sheet, by class; the patterns that tell them apart without colour are in the page.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gateway.web.i18n import Translator

from .chips import count_kinds
from .models import Task
from .progress import describe_kinds
from .results.overview import Overview
from .shown import show_seconds

LEAST_SHARE = 0.006
"""A part of a bar is at least so wide, to be seen."""
LABELS = 6
"""At most so many numbers are below a histogram."""
COLUMNS = 8
"""A histogram has at least so many columns."""
KINDS = ("2xx", "3xx", "4xx", "5xx", "none")
TOP_DOMAINS = 8
_SPREAD = "half within {half}, 95 % within {most}, the slowest {slowest}"
PLOT_PERCENT = 78
"""The height of the highest column; above it is its number, below it what it counts."""


def draw_bar(kinds: Mapping[str, int], total: int, sentence: str, identity: str = "") -> str:
    """How many of `total` URLs have which class of code: `KINDS` side by side; what is not known yet stays empty."""
    shares = [(kind, max(kinds[kind] / total, LEAST_SHARE)) for kind in KINDS if kinds.get(kind)]
    scale = max(1.0, sum(share for _, share in shares))
    parts, left = list[str](), 0.0
    for kind, share in shares:
        place = f'x="{left:.3f}%" width="{100 * share / scale:.3f}%" height="100%"'
        parts.append(f'<rect class="k{kind}" {place}/><rect fill="url(#p{kind})" {place}/>')
        left += 100 * share / scale
    name = f' id="{identity}"' if identity else ""
    return f'<svg{name} class="codes" role="img" aria-label="{escape(sentence)}" width="100%">{"".join(parts)}</svg>'


def draw_share(part: int, total: int, kind: str, sentence: str) -> str:
    """A part of a whole, as one bar."""
    share = f'width="{100 * part / max(total, 1):.2f}%" height="100%"'
    parts = f'<rect class="k{kind}" {share}/><rect fill="url(#p{kind})" {share}/>'
    return f'<svg class="share" role="img" aria-label="{escape(sentence)}" width="100%">{parts}</svg>'


def draw_histogram(columns: Sequence[tuple[str, int, str]], sentence: str) -> str:
    """Columns side by side, each with what it counts, how many there are, and that number in words."""
    most = max(count for _, count, _ in columns)
    step = 100 / len(columns)
    every = -(-len(columns) // LABELS)
    parts = list[str]()
    for place, (label, count, figure) in enumerate(columns):
        height, middle = PLOT_PERCENT * count / most, step * (place + 0.5)
        top = 12 + PLOT_PERCENT - height
        if count:
            where = f'x="{step * place + step / 10:.2f}%" y="{top:.2f}%" width="{0.8 * step:.2f}%"'
            parts.append(f'<rect class="column" {where} height="{max(height, 1):.2f}%"/>')
        if count == most:
            parts.append(f'<text x="{middle:.2f}%" y="{top - 2:.2f}%" text-anchor="middle">{escape(figure)}</text>')
        if place % every == 0:
            parts.append(f'<text x="{middle:.2f}%" y="98%" text-anchor="middle">{escape(label)}</text>')
    return f'<svg class="histogram" role="img" aria-label="{escape(sentence)}" width="100%">{"".join(parts)}</svg>'


def draw_task(task: Task, overview: Overview, words: Translator) -> dict[str, Any]:
    """The pictures of a task, and the numbers beside them."""
    kinds = count_kinds(task.counts)
    columns = _list_columns(overview, words)
    half, most, slowest = (show_seconds(words, each) for each in overview.percentiles_s or (0, 0, 0))
    spread = words(_SPREAD, half=half, most=most, slowest=slowest)
    return {
        "kinds": kinds,
        "bar": draw_bar(kinds, task.total, describe_kinds(kinds, task, words), "bar"),
        "columns": columns,
        "spread": spread,
        "histogram": draw_histogram(columns, f"{words('Time to answer')}: {spread}") if columns else "",
        "domains": overview.domains[:TOP_DOMAINS],
        "bad_domains": len(overview.domains),
    }


def _list_columns(overview: Overview, words: Translator) -> list[tuple[str, int, str]]:
    """The columns of the histogram, also the empty ones between others."""
    if not overview.times:
        return []
    first = min(overview.times)
    exponents = range(first, max(max(overview.times) + 1, first + COLUMNS))
    counts = [overview.times.get(exponent, 0) for exponent in exponents]
    labels = [_name_time(exponent, words) for exponent in exponents]
    return [(label, count, words.figure(count)) for label, count in zip(labels, counts, strict=True)]


def _name_time(exponent: int, words: Translator) -> str:
    """2**exponent ms in a round number of its unit: 256 ms, 0.5 s, 1 s, 64 s."""
    if exponent < 9:
        return words("{n} ms", n=2**exponent)
    return words("{n} s", n=words.decimal(0.5) if exponent == 9 else 2 ** (exponent - 10))
