"""What the page says, and that none of it is forgotten in the other language."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from gateway.audio.words import RUSSIAN as AUDIO_WORDS
from gateway.tasks.words import RUSSIAN as TASK_WORDS
from gateway.web.i18n import Translator, choose_translator, format_duration
from gateway.web.words import RUSSIAN as FRAME_WORDS

pytestmark = pytest.mark.anyio
GATEWAY = Path(__file__).parents[2] / "gateway"
PAGES = {"audio": AUDIO_WORDS, "tasks": TASK_WORDS}
"""The words of each folder with a page."""


def read_scripts(folder: str) -> str:
    """The scripts of one folder."""
    return "".join(path.read_text() for path in (GATEWAY / folder / "static").glob("*.js"))


def read_sources(folder: str) -> str:
    """All that a folder can say."""
    code = "".join(path.read_text() for path in (GATEWAY / folder).rglob("*.py") if path.stem != "words")
    return code + read_scripts(folder) + "".join(path.read_text() for path in (GATEWAY / folder).glob("templates/*"))


SOURCES = {folder: read_sources(folder) for folder in (*PAGES, "web")}
SAID = [
    (folder, said or counted)
    for folder in SOURCES
    for said, counted in sorted(
        set(re.findall(r'\b(?:say|count)\([^"()]*"([^"]+)"|"(\{n\} [^"]+)"', read_scripts(folder)))
    )
]


@pytest.mark.parametrize(("folder", "sentence"), SAID)
def test_every_sentence(folder: str, sentence: str) -> None:
    """Every sentence that the scripts say has its entry, in the table of their folder or of the frame."""
    assert sentence in {**FRAME_WORDS, **PAGES.get(folder, {})}


def check_entry(sentence: str, table: dict[str, str], sources: str) -> None:
    """An entry is said somewhere, and is in Russian, with the same values in it."""
    names = r"\{(\w+)\}"
    assert set(re.findall(names, table[sentence])) == set(re.findall(names, sentence))
    assert re.search("[а-яё]", table[sentence])
    assert sentence.replace("255", "{MAX_NAME_BYTES}").replace("`file`", "`{FIELD}`") in sources


@pytest.mark.parametrize(("folder", "sentence"), [(folder, key) for folder in PAGES for key in PAGES[folder]])
def test_table(folder: str, sentence: str) -> None:
    """A folder has the words that it says, and none that the frame has."""
    assert sentence not in FRAME_WORDS
    check_entry(sentence, PAGES[folder], SOURCES[folder])


@pytest.mark.parametrize("sentence", FRAME_WORDS)
def test_frame(sentence: str) -> None:
    """The frame has the words that it says, or that any page does."""
    check_entry(sentence, FRAME_WORDS, "".join(SOURCES.values()))


async def test_page_in_russian(client: httpx.AsyncClient) -> None:
    """The page in Russian says nothing in English but names and formats."""
    html = (await client.get("/?q=zz", headers={"Accept-Language": "ru"})).text
    body = re.sub(r'data-words="[^"]*"', "", html[html.index("<body") :])
    shown = re.findall(r'>([^<]+)<|(?:aria-label|title|placeholder)="([^"]+)"', body)
    words = set(re.findall(r"[A-Za-z]{2,}", unescape(" ".join(text or label for text, label in shown))))
    assert words == {"Gateway", "mp", "ogg", "flac", "wav", "Enter", "Shift", "Ctrl", "Delete", "Esc", "API", "zz"}


FORMS = "{n} file|{n} files"
COUNTS = {0: "0 файлов", 1: "1 файл", 2: "2 файла", 5: "5 файлов", 11: "11 файлов", 12: "12 файлов", 21: "21 файл",
          22: "22 файла", 101: "101 файл", 111: "111 файлов", 1003: "1\u00a0003 файла"}  # fmt: skip


@pytest.mark.parametrize(("number", "words"), COUNTS.items())
def test_counts(number: int, words: str) -> None:
    """A counted word has the form of its number."""
    assert Translator("ru", AUDIO_WORDS).count(number, FORMS) == words
    assert Translator("en").count(number, FORMS) == f"{number:,} file" + "s" * (number != 1)


def test_choice() -> None:
    """The first language that is asked for and spoken; English to all others."""
    assert choose_translator([("de", 1), ("RU-ru", 0.5)]).language == "ru"
    assert choose_translator([("ru", 1)], {"of {n}": "из {n}"})("of {n}", n=3) == "из 3"
    assert choose_translator([("ru", 1)])("Close") == "Закрыть"
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
