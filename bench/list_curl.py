"""`screwdriver.py list` beside `curl` of the same list: 1,000 files, from the start of the process to its end.

They take turns; the median of each counts. Target: at most half a second more.
"""

import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stand import ROOT, running_gateway, tell

FILES = 1_000
TURNS = 15


def make_wav() -> bytes:
    """A tenth of a second of silence."""
    data = bytes(800)
    form = (
        b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )
    return b"RIFF" + struct.pack("<I", len(form)) + form


def main() -> None:
    """Print both medians and the difference."""
    if shutil.which("curl") is None:
        raise SystemExit("there is no curl here")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = folder / "data/audio"
        library.mkdir(parents=True)
        for number in range(FILES):
            (library / f"silence {number:04}.wav").write_bytes(make_wav())
        with running_gateway(folder) as server:
            commands = {
                "curl": ["curl", "-s", f"{server.url}/api/v1/audio/"],
                "screwdriver.py list": [sys.executable, str(ROOT / "screwdriver.py"), "--server", server.url, "list"],
            }
            taken_s: dict[str, list[float]] = {label: [] for label in commands}
            for _ in range(TURNS):
                for label, command in commands.items():
                    begun = time.perf_counter()
                    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
                    taken_s[label].append(time.perf_counter() - begun)
                    if out.count("silence ") < FILES:
                        raise SystemExit(f"{label}: the list is not whole: {out[:500]}")
    median_s = {label: statistics.median(times) for label, times in taken_s.items()}
    for label, seconds in median_s.items():
        print(f"{label:<20} {seconds:.3f} s")
    more_s = median_s["screwdriver.py list"] - median_s["curl"]
    tell("screwdriver.py list, seconds more", "curl", more_s, at_most=0.5, unit=" s")


if __name__ == "__main__":
    main()
