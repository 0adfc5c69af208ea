"""The progress bar of a command line, on stderr where that is a terminal."""

import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from .terminal import can_draw, escape_text


class _Forgiving:
    """A stream that drops what it cannot write: a terminal that was closed refuses all (EIO)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class ProgressBar:
    """A bar on stderr where it can be drawn. `total` None: unknown; `in_bytes`: with sizes and speed.

    `transient`: the bar disappears at its end. No call raises an error of the terminal.
    """

    def __init__(self, total: int | None, label: str = "", *, in_bytes: bool = False, transient: bool = False) -> None:
        self.on = can_draw(sys.stderr)
        self._total = total
        self._label = label
        self._in_bytes = in_bytes
        self._transient = transient
        self._bar: Any = None

    def show(self, done: int) -> None:
        """Bring the bar up to date, and show it."""
        if self.on and self._bar is None:
            self._bar = self._make()
            self._bar.add_task(escape_text(self._label), total=self._total)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
            self._bar.start()

    def hide(self) -> None:
        """Stop drawing, so that other lines can be printed."""
        if self._bar is not None:
            self._bar.stop()

    def remove(self) -> None:
        """Stop drawing and leave nothing behind, as when what it showed has failed."""
        if self._bar is not None:
            self._bar.live.transient = True
            self._bar.stop()

    def _make(self) -> Any:
        from rich.console import Console  # rich costs 100 ms
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TransferSpeedColumn,
        )

        figures = (
            (DownloadColumn(), TransferSpeedColumn()) if self._in_bytes else (MofNCompleteColumn(), TimeElapsedColumn())
        )
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), *figures)
        return Progress(*columns, console=Console(file=cast(TextIO, _Forgiving(sys.stderr))), transient=self._transient)
