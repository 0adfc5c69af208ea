"""The format of log lines, with the id of their request: text for people, or one JSON object a line for a collector.

Lines of hypercorn and of libraries have the same format. No line has a raw control character. Paths among the arguments
of a line are UTF-8 whatever the locale says.
"""

import json
import logging
import os
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal

from .log_stream import LogStream, unblock_standard_streams

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request in this context; empty outside of a request."""

_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]")
"""Control characters (C0, C1), line separators, directions of writing, bytes that are not UTF-8 (PEP 383)."""
_INDENT = "\n  "
"""Before each line of a traceback: none begins as a record does."""


def escape_text(text: str) -> str:
    """Text of others in one line, as it can be shown on a terminal: control characters become `\\x1b`."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def show_path(path: str | bytes | PurePath) -> str:
    """A path as text: its bytes as UTF-8, in any locale; a byte that is not UTF-8 becomes `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _show_argument(value: object) -> object:
    """An argument of a log line: a path, or an error with paths, in UTF-8; any other as it is."""
    if isinstance(value, PurePath):
        return show_path(value)
    if isinstance(value, OSError) and isinstance(value.filename, str | bytes | PurePath):
        second = value.filename2
        shown = show_path(second) if isinstance(second, str | bytes | PurePath) else second
        return OSError(value.errno, value.strerror, show_path(value.filename), None, shown)
    return value


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message [request id]`, then the lines of a traceback."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The lines of one record."""
        head, *traceback = super().format(record).split("\n")
        return _INDENT.join([head, *map(escape_text, traceback)])

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, without a traceback."""
        request_id = REQUEST_ID.get()
        line = escape_text(super().formatMessage(record))
        return f"{line} [{request_id}]" if request_id else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (ISO 8601, UTC), `level`, `logger`, `message`, and the record's `fields`.

    `request_id` is added within a request, `error` with a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class LogHandler(logging.StreamHandler[Any]):
    """Writes records to the standard error of the process, and says how many were dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if isinstance(self.stream, LogStream) and (dropped := self.stream.take_dropped()):
            text = "%d lines dropped: the reader of the log took none"
            super().emit(logging.LogRecord("gateway", logging.WARNING, "", 0, text, (dropped,), None))
        if isinstance(record.args, tuple):
            record.args = tuple(map(_show_argument, record.args))
        super().emit(record)


def configure_logging(log_format: Literal["text", "json"]) -> None:
    """Send the lines of the `gateway` loggers to stderr, unless they have a handler already.

    So with what reaches the root logger, and with what hypercorn writes to a standard stream.
    """
    logger = logging.getLogger("gateway")
    if logger.handlers:
        return
    unblock_standard_streams()
    handler = LogHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logging.root.handlers:
        logging.root.addHandler(handler)
    logging.captureWarnings(capture=True)

    def take_over(record: logging.LogRecord) -> bool:
        own = logging.getLogger(record.name).handlers
        if any(isinstance(each, logging.FileHandler) for each in own):  # --error-logfile
            return True
        handler.handle(record)
        return False

    # hypercorn replaces handlers when it logs its first line; a filter remains.
    logging.getLogger("hypercorn.error").addFilter(take_over)
    logging.getLogger("hypercorn.access").addFilter(_escape_record)


def _escape_record(record: logging.LogRecord) -> bool:
    """Escape a line of hypercorn's own access log, which unquotes the path: %0A would begin another line."""
    record.msg, record.args = escape_text(record.getMessage()), ()
    return True
