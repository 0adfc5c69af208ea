"""How log lines look, and which request they belong to: text for a person, or one JSON object a line for a collector.

A line written while a request is answered bears its id. The server under us and asyncio write through here too, so
that a collector meets one form.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered here, empty outside of any."""

_OTHERS = ("hypercorn.error", "asyncio", "py.warnings")


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message [request id]`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, without a traceback."""
        request_id = REQUEST_ID.get()
        line = super().formatMessage(record)
        return f"{line} [{request_id}]" if request_id else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (ISO 8601, UTC), `level`, `logger`, `message`, what the record has in `fields`.

    Beside them `request_id` inside of a request, and `error` with a traceback.
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
        return json.dumps(line, ensure_ascii=False)


def configure_logging(log_format: Literal["text", "json"]) -> None:
    """Send the lines of the `gateway` loggers to stderr, unless a handler is set up for them already."""
    logger = logging.getLogger("gateway")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

    def take_over(record: logging.LogRecord) -> bool:
        handler.handle(record)
        return False

    # hypercorn sets its own handlers when it first has something to say, which may be later; a filter stays.
    for name in _OTHERS:
        logging.getLogger(name).addFilter(take_over)
