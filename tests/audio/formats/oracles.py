"""How long a file plays by ffmpeg: what its header says or a guess of it, and what comes out when it is decoded."""

import subprocess
from pathlib import Path

from tests.audio.formats.corpus import FFMPEG
from tests.programs import need

_RATE_HZ = 8000


def probe_duration(path: Path) -> float | None:
    """The length that ffprobe shows."""
    command = (need("ffprobe"), "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return float(done.stdout)
    except ValueError:
        return None


def decode_duration(path: Path) -> float | None:
    """The length of what ffmpeg decodes; None where it decodes nothing."""
    need(FFMPEG[0])
    target = ("-map", "0:a:0", "-ac", "1", "-ar", str(_RATE_HZ), "-f", "s16le", "-")
    done = subprocess.run((*FFMPEG, "-i", str(path), *target), capture_output=True, check=False)
    return len(done.stdout) / 2 / _RATE_HZ or None
