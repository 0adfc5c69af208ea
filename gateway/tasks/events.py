"""A task as server-sent events: its progress, its probes as they become known, its end.

The id of an event is how many probes the client has by then; in a stream without probes it is how many are known. The
order of the probes is the same on every gateway, so that any of them can resume the stream. No event is queued for a
slow client: each is made after the one before it was sent.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID

from pydantic_core import to_json

from gateway.errors import GatewayError
from gateway.web.sse import encode_event

from .models import TaskStatus
from .results.table import ProbeTable
from .store import Store

BEAT_S = 10.0
"""How often a task without progress is sent again, as a heartbeat."""
EVENT_BYTES = 64 * 1024
"""An event of probes ends with the probe that reaches this size."""

logger = logging.getLogger("gateway.tasks")


async def encode_events(store: Store, identity: UUID, seen: str, *, with_probes: bool) -> AsyncIterator[bytes]:
    """The events of a task after the one with the id `seen`; all of them if that is no id of an event.

    They end with the task. They end early at shutdown, and when the task cannot be read: the next request gets the
    reason.
    """
    sent = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
    progress, due = seen, time.monotonic() + BEAT_S
    try:
        async with aclosing(store.watch_task(identity)) as tasks:
            async for task in tasks:
                running = task.status is TaskStatus.RUNNING
                if running and (progress != str(task.done) or time.monotonic() > due):
                    progress, due = str(task.done), time.monotonic() + BEAT_S
                    yield encode_event("progress", to_json(task), str(sent) if with_probes else progress)
                while with_probes and (sent != task.done or not running):
                    event, sent = _encode_probes(await store.probes.read(identity), sent)
                    if not event:
                        break
                    yield event
                if not running:
                    yield encode_event(task.status, to_json(task), task.status)
    except GatewayError as error:  # the response has begun: it can have no other status
        logger.info("an event stream broke off: %s", error.detail)


def _encode_probes(table: ProbeTable, sent: int) -> tuple[bytes, int]:
    """An event with the next probes after the first `sent`, empty if there are none; and how many are sent with it."""
    start = end = min(sent, len(table.landed))  # there are fewer if Redis has lost some in a crash
    size_bytes, probes = 0, list[bytes]()
    while end < len(table.landed) and size_bytes < EVENT_BYTES:
        probes += map(to_json, table.list_probes([table.landed[end]]))
        size_bytes += len(probes[-1])
        end += 1
    data = b'{"probes":[%b]}' % b",".join(probes)
    return encode_event("probes", data, str(end)) if end > start else b"", end
