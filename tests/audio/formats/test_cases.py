"""Audio with anything round it, forms that no tool writes, lengths that no header tells; and what is none of it."""

import io

import pytest

from gateway.audio.formats.detect import HEAD_BYTES, detect_type, may_be_audio
from tests.audio.formats.cases import CASES
from tests.audio.formats.corpus import Corpus


@pytest.mark.parametrize("name", CASES)
def test_case(corpus: Corpus, name: str) -> None:
    """Audio is taken, with its right length or none, and no part of its head is refused; everything else is refused."""
    case = CASES[name]
    data = case.make(corpus)
    found = detect_type(io.BytesIO(data), len(data))
    assert (found.content_type if found else None) == case.content_type
    if found is None:
        return
    lengths = [*range(1, 80), *range(80, 2000, 161), *range(2000, HEAD_BYTES, 19_999), HEAD_BYTES]
    assert not [length for length in lengths if not may_be_audio(data[:length])]
    expected_s = case.expect_duration(corpus)
    if expected_s is not None:
        assert found.duration_s == pytest.approx(expected_s, rel=0.02, abs=0.2)  # the padding of two encoders
