"""What schemathesis cannot make up by itself: audio, addresses, and keys that nobody has used before."""

import io
import re
import wave
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st


def make_wave(samples: bytes) -> bytes:
    """A wav of these samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, 8000, 0, "NONE", ""))
        audio.writeframes(samples)
    return file.getvalue()


WAVES = st.binary(min_size=200, max_size=400).map(lambda samples: make_wave(samples[: len(samples) // 2 * 2]))
for media_type in ("application/octet-stream", "application/offset+octet-stream", "audio/*"):
    schemathesis.openapi.media_type(media_type, WAVES)
schemathesis.openapi.format("binary", WAVES)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, object]) -> None:
    """Make a key one of its own, for the same key with another body is refused; and let every call come from another
    address through a proxy, for who sends many wrong tokens is told to wait."""
    case.headers["X-Forwarded-For"] = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"
    key = case.headers.get("Idempotency-Key")
    good = re.fullmatch('(")?([ !#-~]{1,255})(")?', key) if isinstance(key, str) else None
    if good and bool(good[1]) == bool(good[3]):
        case.headers["Idempotency-Key"] = f"{good[1] or ''}{good[2].strip()[:219]}{uuid4()}{good[3] or ''}"
