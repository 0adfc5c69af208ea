"""Folding: what a search takes for the same, and how numbers in names sort."""

import pytest

from gateway.audio.folding import fold, make_natural_key


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Björk", "bjork"),
        ("ёлка", "елка"),
        ("ЙОГУРТ", "иогурт"),
        ("Straße", "strasse"),
        ("ﬁlm", "film"),
        ("ＡＢＣ　１", "abc 1"),
        ("Łódź", "lodz"),
        ("Ångström Ærø", "angstrom aero"),
        ("İstanbul ılık", "istanbul ilik"),
        ("ΌΔΟΣ", "οδοσ"),
        ("e\u0301te\u0301", "ete"),
        ("don’t – stop", "don't - stop"),
        ("soft\u00adhyphen", "softhyphen"),
        ("מִלָּה", "מלה"),
        ("مُحَمَّد", "محمد"),
        ("がっこう", "がっこう"),
        ("ｶﾞ", "ガ"),
        ("हिन्दी", "हिन्दी"),
        ("한국", "한국"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    """Case, accents and presentation forms fall away; what makes another letter stays."""
    assert fold(text) == folded
    assert fold(fold(text)) == folded


def test_natural_key() -> None:
    """Numbers sort by value, whatever their zeros and digits; very long ones too."""
    names = ["a", "a 1", "a 02", "a 2b", "a ٣", "a 10", "a 100", "a " + "9" * 5000, "b"]
    keys = [make_natural_key(name) for name in names]
    assert sorted(keys) == keys
