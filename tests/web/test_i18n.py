"""What the page says, and that none of it is forgotten in the other language."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from gateway.web.i18n import RUSSIAN, Translator, choose_translator, format_duration

pytestmark = pytest.mark.anyio
AUDIO = Path(__file__).parents[2] / "gateway" / "audio"
SCRIPTS = "".join(path.read_text() for path in (AUDIO / "static").glob("*.js"))
SOURCES = SCRIPTS + "".join(path.read_text() for path in [*AUDIO.rglob("*.py"), *AUDIO.glob("templates/*")])

SENTENCES = sorted(set(re.findall(r'\b(?:say|count)\([^"()]*"([^"]+)"|"(\{n\} [^"]+)"', SCRIPTS)))


@pytest.mark.parametrize("sentence", [said or counted for said, counted in SENTENCES])
def test_every_sentence(sentence: str) -> None:
    """Every sentence that the scripts say has its entry in the table."""
    assert sentence in RUSSIAN


@pytest.mark.parametrize("sentence", RUSSIAN)
def test_table(sentence: str) -> None:
    """Every entry is said somewhere, in Russian, with the same values in it."""
    names = r"\{(\w+)\}"
    assert set(re.findall(names, RUSSIAN[sentence])) == set(re.findall(names, sentence))
    assert re.search("[а-яё]", RUSSIAN[sentence])
    elsewhere = {"This call needs the token of this server.", "Writes from another site are refused."}  # web.security
    said = sentence.replace("255", "{MAX_NAME_BYTES}").replace("`file`", "`{FIELD}`")
    assert SOURCES.replace(f'"{sentence}":', "").count(said) or sentence in elsewhere


async def test_page_in_russian(client: httpx.AsyncClient) -> None:
    """The page in Russian says nothing in English but names and formats."""
    html = (await client.get("/?q=zz", headers={"Accept-Language": "ru"})).text
    body = re.sub(r'data-words="[^"]*"', "", html[html.index("<body") :])
    shown = re.findall(r'>([^<]+)<|(?:aria-label|title|placeholder)="([^"]+)"', body)
    words = set(re.findall(r"[A-Za-z]{2,}", unescape(" ".join(text or label for text, label in shown))))
    assert words == {"Gateway", "mp", "ogg", "flac", "wav", "Enter", "Shift", "Ctrl", "Delete", "Esc", "zz"}


FORMS = "{n} file|{n} files"
COUNTS = {0: "0 файлов", 1: "1 файл", 2: "2 файла", 5: "5 файлов", 11: "11 файлов", 12: "12 файлов", 21: "21 файл",
          22: "22 файла", 101: "101 файл", 111: "111 файлов", 1003: "1003 файла"}  # fmt: skip


@pytest.mark.parametrize(("number", "words"), COUNTS.items())
def test_counts(number: int, words: str) -> None:
    """A counted word has the form of its number."""
    assert Translator("ru").count(number, FORMS) == words
    assert Translator("en").count(number, FORMS) == f"{number} file" + "s" * (number != 1)


def test_choice() -> None:
    """The first language that is asked for and spoken; English to all others."""
    assert choose_translator([("de", 1), ("RU-ru", 0.5)]).language == "ru"
    assert choose_translator([("ru", 0), ("en", 0.1)]).language == "en"
    assert choose_translator([]).language == "en"
    assert Translator("en")("of {n}", n="{n}") == "of {n}"
    assert Translator("ru")("no such {sentence}") == "no such {sentence}"


DURATIONS = {None: "–", 0: "0:00", 0.6: "0:01", 59.6: "1:00", 61: "1:01", 3599: "59:59", 90061: "25:01:01"}
SIZES = {
    0: "0 B",
    999: "999 B",
    1000: "1.0 kB",
    9949: "9.9 kB",
    9950: "10 kB",
    999_499: "999 kB",
    999_500: "1.0 MB",
    2 << 30: "2.1 GB",
    5 * 10**15: "5000 TB",
}


@pytest.mark.parametrize(("duration_s", "words"), DURATIONS.items())
def test_format_duration(duration_s: float | None, words: str) -> None:
    """Lengths are written as people write them."""
    assert format_duration(duration_s) == words


@pytest.mark.parametrize(("size_bytes", "words"), SIZES.items())
def test_sizes(size_bytes: int, words: str) -> None:
    """Sizes have two or three figures and a decimal unit."""
    assert Translator("en").size(size_bytes) == words


def test_sizes_in_russian() -> None:
    """Russian has a decimal comma and units of its own."""
    assert Translator("ru").size(7_400_000) == "7,4 МБ"
