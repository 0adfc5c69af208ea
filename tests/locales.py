"""Locales of other encodings than UTF-8, made by localedef in a folder of the test."""

import subprocess
from pathlib import Path

from tests.programs import need

ENCODINGS = ("CP1251", "ISO-8859-1", "C")  # POSIX is another name of C


def make_locale(folder: Path, encoding: str) -> dict[str, str]:
    """The environment of a program in a Russian locale of this encoding, without UTF-8 mode (PEP 538, 540)."""
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    if encoding == "C":
        return plain | {"LC_ALL": encoding}
    name = f"ru_RU.{encoding}"
    command = [need("localedef"), "--no-archive", "-c", "-i", "ru_RU", "-f", encoding, str(folder / name)]
    subprocess.run(command, check=False, capture_output=True)  # with warnings it fails, and makes the locale
    assert (folder / name).is_dir()
    return plain | {"LC_ALL": name, "LOCPATH": str(folder), "PYTHONIOENCODING": encoding}
