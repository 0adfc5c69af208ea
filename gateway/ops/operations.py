"""The operations of `health` for /openapi.json and /docs."""

from dataclasses import dataclass

from gateway.audio.uploads.storage import DiskSpace
from gateway.datastore.health import Health
from gateway.openapi.operations import JSON, TEXT, Content, Operation, ResponseSpec

_STATUS = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a gateway can work, and the state of what it needs."""

    ready: bool
    redis: Health
    audio: DiskSpace


GET_HEALTH = Operation(
    "Whether the process is alive.",
    (ResponseSpec(200, "It is.", (Content(JSON, schema=_STATUS, example={"status": "ok"}),)),),
)
GET_READINESS = Operation(
    "Whether it can work.",
    (
        ResponseSpec(200, "It can.", (Content(JSON, Readiness),)),
        ResponseSpec(
            503,
            "It cannot: Redis or the audio folder is not available or takes no writes, or the disk is full.",
            (Content(JSON, Readiness),),
        ),
    ),
    description="`redis` says which Redis it is, and how durable.",
)
GET_METRICS = Operation(
    "How much it does.", (ResponseSpec(200, "Metrics for Prometheus.", (Content("text/plain", schema=TEXT),)),)
)
