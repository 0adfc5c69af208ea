"""What the bytes of a file are: the first gate (filetype's magic numbers) and the second (the structure).

A magic number alone proves nothing: filetype takes `ID3<html>` for music and m4a for films. So every form of sound is
a matcher added to filetype's own table, and each names the check that reads its structure. Owns filetype; knows no
folder and no request.
"""

import logging
import re
from dataclasses import replace
from io import BytesIO
from typing import BinaryIO

import filetype  # type: ignore[import-untyped]

from . import (
    amr,
    asf,
    dsd,
    ebml,
    flac,
    headers,
    iso_bmff,
    mpeg,
    musepack,
    ogg,
    riff,
    surround,
    tracker,
    wavpack,
)
from .bounded_reader import ENDLESS, AudioType, BeyondHead, BoundedReader, Check, ReadLimitReached, is_plausible
from .foreign import is_foreign, is_text
from .prefix import SEARCH_BYTES, find_frames, skip_tags

HEAD_BYTES = SEARCH_BYTES + 128 * 1024
"""After so many bytes a head tells nothing new; the rest is read from the finished file."""
_MAGIC_BYTES = 20
_GATE_BYTES = 2048

logger = logging.getLogger(__name__)


class _Form(filetype.Type):  # type: ignore[misc]
    """A form of sound as filetype knows forms: a matcher of magic numbers; and beside it its check.

    The magic of a weak form is two bytes, which other bytes have too.
    """

    def __init__(
        self, content_type: str, extension: str, magic: bytes, check: Check, *, at: int = 0, weak: bool = False
    ) -> None:
        super().__init__(mime=content_type, extension=extension)
        self._magic = re.compile(magic, re.DOTALL)
        self._at = at
        self.check = check
        self.is_weak = weak

    def match(self, buf: bytes) -> bool:
        """Whether the magic number is there."""
        return self._magic.match(buf, self._at, self._at + _MAGIC_BYTES) is not None


def _check_tagged(reader: BoundedReader) -> AudioType | None:
    """ID3v2 and APEv2 tags, and the sound that they stand before; some tags are longer or shorter than they say."""
    try:
        sound = skip_tags(reader)
        if sound is not None:
            return _check(sound, is_behind_tag=True)
    except BeyondHead:
        if not reader.is_whole:
            raise
    return None if is_text(reader.peek(0, _GATE_BYTES)) else find_frames(reader)


FORMS = (
    _Form("audio/aac", "aac", rb"\xff[\xf0\xf1\xf8\xf9]", mpeg.check_adts, weak=True),
    _Form("audio/mpeg", "mp3", rb"\xff[\xe0-\xff]", mpeg.check_mpeg, weak=True),
    _Form("audio/mpeg", "mp3", rb"ID3|APETAGEX", _check_tagged),
    _Form("audio/mp4", "m4a", rb".{4}(ftyp|moov|mdat|wide|free|skip|pnot|uuid|styp|sidx|moof)", iso_bmff.check_iso),
    _Form("audio/ogg", "ogg", rb"OggS", ogg.check_ogg),
    _Form("audio/webm", "webm", rb"\x1a\x45\xdf\xa3", ebml.check_ebml),
    _Form("audio/flac", "flac", rb"fLaC", flac.check_flac),
    _Form("audio/wav", "wav", rb"(RIFF|RIFX|RF64|BW64).{4}WAVE", riff.check_wave),
    _Form("audio/x-w64", "w64", re.escape(riff.W64_RIFF), riff.check_w64),
    _Form("audio/aiff", "aiff", rb"FORM.{4}AIF[FC]", riff.check_aiff),
    _Form("audio/x-ms-wma", "wma", re.escape(asf.ASF_HEADER), asf.check_asf),
    _Form("audio/midi", "mid", rb"MThd", riff.check_midi),
    _Form("audio/midi", "rmi", rb"RIFF.{4}RMID", riff.check_midi),
    _Form("audio/amr", "amr", rb"#!AMR(-WB)?\n", amr.check_amr),
    _Form("audio/basic", "au", rb"\.snd|dns\.", headers.check_au),
    _Form("audio/x-caf", "caf", rb"caff", riff.check_caf),
    _Form("audio/ac3", "ac3", rb"\x0b\x77", surround.check_ac3),
    _Form(
        "audio/vnd.dts",
        "dts",
        rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\0\x07|\xff\x1f\0\xe8.\x07",
        surround.check_dts,
    ),
    _Form("audio/x-wavpack", "wv", rb"wvpk", wavpack.check_wavpack),
    _Form("audio/x-tta", "tta", rb"TTA1", headers.check_tta),
    _Form("audio/x-ape", "ape", rb"MAC ", headers.check_ape),
    _Form("audio/x-dsf", "dsf", rb"DSD ", dsd.check_dsf),
    _Form("audio/x-dff", "dff", rb"FRM8.{8}DSD ", dsd.check_dff),
    _Form("audio/x-musepack", "mpc", rb"MP\+", musepack.check_sv7),
    _Form("audio/x-musepack", "mpc", rb"MPCK", musepack.check_sv8),
    _Form("audio/x-xm", "xm", rb"Extended Module: ", tracker.check_xm),
    _Form("audio/x-it", "it", rb"IMPM", tracker.check_it),
    _Form("audio/x-s3m", "s3m", rb"SCRM", tracker.check_s3m, at=44),
    _Form("audio/x-mod", "mod", tracker.MOD_MAGIC, tracker.check_mod, at=tracker.MOD_MAGIC_AT),
    _Form("audio/x-flv", "flv", rb"FLV\x01", headers.check_flv),
)
for _form in reversed(FORMS):
    filetype.add_type(_form)


def _check(reader: BoundedReader, *, is_behind_tag: bool = False) -> AudioType | None:
    """Both gates: the form that filetype finds, if it is one of sound, and the structure of that form.

    Where there is no magic number but that of a weak form, frames are searched; text behind a tag is a part of it.
    """
    head = reader.peek(0, _GATE_BYTES)
    if len(head) < min(_MAGIC_BYTES, reader.size_bytes):
        raise BeyondHead
    form = filetype.guess(head)
    found = form.check(reader) if isinstance(form, _Form) else None
    if found or (form and not getattr(form, "is_weak", False)):
        return found
    is_other = is_foreign(reader, head) and not (is_behind_tag and is_text(head))
    return None if is_other else find_frames(reader)


def may_be_audio(head: bytes) -> bool:
    """Whether a file that begins so can be audio: False only if nothing that follows could make it so."""
    try:
        return _check(BoundedReader.over(BytesIO(head), ENDLESS)) is not None
    except BeyondHead:
        return True
    except ReadLimitReached:
        return False
    except Exception as error:
        logger.warning("a check of the first bytes of a file failed: %r", error)
        return False


def detect_type(file: BinaryIO, size_bytes: int) -> AudioType | None:
    """The type of a whole file by its structure, or None if it is not audio.

    Looks at a bounded number of places, wherever the sizes in the file point. Leaves the position anywhere.

    :raises OSError: the file cannot be read.
    """
    try:
        found = _check(BoundedReader.over(file, size_bytes))
    except (BeyondHead, ReadLimitReached):
        return None
    return found if found is None or is_plausible(found.duration_s) else replace(found, duration_s=None)
