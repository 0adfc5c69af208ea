"""Small disks of their own, to be filled up, or without hard links."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import need


@contextmanager
def mounting(folder: Path, size: str) -> Iterator[Path]:
    """A new folder that is a disk of that size (`8m`). Where mounting is not allowed the test is skipped."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def mounting_exfat(folder: Path) -> Iterator[Path]:
    """A new folder that is an exFAT disk by FUSE: no hard links, no `O_TMPFILE`, no RENAME_NOREPLACE.

    Where mounting is not allowed the test is skipped.
    """
    make, mount = need("mkfs.exfat"), need("mount.exfat-fuse")
    image = folder.with_suffix(".img")
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("xb") as file:
        file.truncate(128 * 1024 * 1024)
    subprocess.run([make, image], check=True, capture_output=True)
    loop = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
    if loop.returncode:
        pytest.skip(f"there are no loop devices here: {loop.stderr.strip()}")
    device = loop.stdout.strip()
    try:
        folder.mkdir()
        mounted = subprocess.run([mount, device, folder], capture_output=True, text=True, check=False)
        if mounted.returncode or not folder.is_mount():
            pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
