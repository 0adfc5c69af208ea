"""Which encoding old tags are in: Russian is told where it is sure, and nothing else is taken for it."""

import pytest

from gateway.audio.formats.charset import find_charset

RUSSIAN = [
    ["Группа крови", "Кино"],
    ["Звезда по имени Солнце"],
    ["КИНО"],
    ["ДДТ", "Что такое осень"],
    ["Ёлка", "Прованс"],
    ["Би-2", "Полковнику никто не пишет"],
    ["DJ Грув", "Служебный роман (Remix)"],
    ["«Я — это ты», №5"],
    ["Океан Ельзи", "Я їду додому"],
    ["Щукин и Эхо"],
]
OTHERS = {
    # what it is in, and what nobody may take for Cyrillic
    "latin-1": [
        ["À la claire fontaine", "Françoise Hardy", "Été"],
        ["ÉTÉ", "ÇA VA"],
        ["Über den Wolken"],
        ["ÄÖÜ"],
        ["ÅÄÖ", "Å i åa ä e ö"],
        ["Mañana", "Ñu", "¿Qué?"],
        ["Æøå", "Sigur Rós", "Ágætis byrjun"],
        ["Ö", "É", "À"],
        ["Beyoncé", "Déjà Vu"],
        ["½ × ² ÿ"],
        ["á í ó í"],
        ["ÅÉÎ"],
        ["½ îàíè"],
        ["¿îàíèàí?"],
    ],
    "iso-8859-2": [["Žluťoučký kůň", "Příběh"], ["Zażółć gęślą jaźń"]],
    "iso-8859-7": [["Αγάπη μου", "Χάρις Αλεξίου"], ["Ζορμπάς"], ["Νίκος"]],
    "windows-1254": [["Şımarık", "Çağrı"]],
    "windows-1255": [["שלום חבר", "אריק איינשטיין"]],
    "koi8-r": [["Группа крови", "Кино"]],
    "cp866": [["Группа крови", "Кино"]],
    "gbk": [["月亮代表我的心", "邓丽君"]],
    "shift-jis": [["さくらさくら", "宇多田ヒカル"]],
    "euc-kr": [["강남스타일", "싸이"]],
}


@pytest.mark.parametrize("texts", RUSSIAN, ids=str)
def test_russian(texts: list[str]) -> None:
    """Russian and Ukrainian in windows-1251 come out as they went in."""
    data = [text.encode("windows-1251") for text in texts]
    charset = find_charset(data)
    assert [text.decode(charset) for text in data] == texts


@pytest.mark.parametrize(
    ("charset", "texts"), [(charset, texts) for charset, rows in OTHERS.items() for texts in rows], ids=str
)
def test_others(charset: str, texts: list[str]) -> None:
    """Text in other encodings is never shown as Cyrillic that it is not, and that of western Europe comes out right."""
    data = [text.encode(charset) for text in texts]
    found = find_charset(data)
    assert found != "windows-1251"
    assert charset != "latin-1" or [text.decode(found) for text in data] == texts


def test_utf_8() -> None:
    """UTF-8 is known by its rules, also where a tag says another encoding; ASCII is itself."""
    assert find_charset(["Café".encode(), "Привет".encode()]) == "utf-8"
    assert find_charset([b"plain", b""]) == find_charset([]) == "ascii"
    assert b"it\x92s".decode(find_charset([b"it\x92s"])) == "it’s"
    assert find_charset([b"\x81\xe9"]) == "iso-8859-1"
