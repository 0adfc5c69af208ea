"""A wall clock that a test sets: a library under every program started with it, as libfaketime is.

It moves CLOCK_REALTIME, gettimeofday(2) and time(2) by the seconds in a shared file. Monotonic clocks go on.
"""

import struct
import subprocess
from pathlib import Path

from tests.programs import need

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
    int file = open(getenv("WALL_CLOCK"), O_RDONLY);
    void *found = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    offset = found == MAP_FAILED ? 0 : found;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, which, at);
    if (!failed && offset && which == CLOCK_REALTIME) at->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    """One clock; `environment` has a program started with it go by it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.set_offset(0)
        library = folder / "wall_clock.so"
        command = [need("cc"), "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=_SOURCE.encode(), check=True, capture_output=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def set_offset(self, offset_s: int) -> None:
        """Set it before or after the true time."""
        if not self._file.exists():
            self._file.write_bytes(bytes(8))
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", offset_s))
