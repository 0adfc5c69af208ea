"""The translations of the pages, with plural forms, sizes and durations. Pure.

The English sentence is the key; without an entry it is shown as it is. Sentences of errors are keys too: the API has
them in English, a page in the language of its reader. `Non-audio file detected` is the same in every language.
Each feature has a table of its own words (`words`); the words of the frame are added to each.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .words import RUSSIAN

LANGUAGES = ("en", "ru")
"""The first is the default."""

_UNITS = {"en": ("B", "kB", "MB", "GB", "TB"), "ru": ("Б", "кБ", "МБ", "ГБ", "ТБ")}


@dataclass(frozen=True)
class Translator:
    """One language: `words("Search")`, `words("of {n}", n=3)`."""

    language: str
    table: Mapping[str, str] = field(default_factory=dict)
    """The translations from English."""

    def __call__(self, text: str, **values: object) -> str:
        """The translated sentence with its values."""
        text = self.table.get(text, text)
        return text.format(**values) if values else text

    def count(self, number: int, forms: str) -> str:
        """The plural form (Unicode CLDR) of `{n} file|{n} files` for this number."""
        choices = self.table.get(forms, forms).split("|")
        form = _choose_russian_form(number) if self.language == "ru" else int(number != 1)
        return choices[min(form, len(choices) - 1)].format(n=self.figure(number))

    def figure(self, number: int) -> str:
        """A number with its thousands set apart: 10,000; in Russian by a space."""
        return f"{number:,}".replace(",", "\u00a0" if self.language == "ru" else ",")

    def decimal(self, number: float) -> str:
        """A number with one place behind its decimal point, or comma."""
        return f"{number:.1f}".replace(".", "," if self.language == "ru" else ".")

    def size(self, size_bytes: int) -> str:
        """A size in decimal units with two or three digits: 640 kB, 7.4 MB."""
        size, power, units = float(size_bytes), 0, _UNITS[self.language]
        while size >= 999.5 and power < len(units) - 1:
            size /= 1000
            power += 1
        digits = self.decimal(size) if size < 9.95 and power else f"{size:.0f}"
        return f"{digits} {units[power]}"


def _choose_russian_form(number: int) -> int:
    if 10 < number % 100 < 20 or not 1 <= number % 10 <= 4:
        return 2
    return int(number % 10 != 1)


def choose_translator(asked: Iterable[tuple[str, float]], *tables: dict[str, str]) -> Translator:
    """The translator for an Accept-Language header, given as (tag, quality) with the best first.

    `tables` translate the words of a page into Russian; those of the frame are added.
    """
    spoken = (tag.lower().partition("-")[0] for tag, quality in asked if quality > 0)
    language = next((language for language in spoken if language in LANGUAGES), LANGUAGES[0])
    return Translator(language, dict(ChainMap(*tables, RUSSIAN)) if language == "ru" else {})


def format_duration(duration_s: float | None) -> str:
    """A duration such as 0:07, 3:12, 1:02:03; a dash if it is not known."""
    if duration_s is None:
        return "–"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
