"""What the views of `health` promise over HTTP: the source of /openapi.json and /docs."""

from dataclasses import dataclass

from gateway.audio.uploads.storage import DiskSpace
from gateway.datastore.health import Health
from gateway.openapi.operations import JSON, TEXT, Content, Operation, ResponseSpec

_STATUS = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a gateway can do its work, and what of it is away."""

    ready: bool
    redis: Health
    audio: DiskSpace


GET_HEALTH = Operation(
    "Does the process live?",
    (ResponseSpec(200, "It does.", (Content(JSON, schema=_STATUS, example={"status": "ok"}),)),),
)
GET_READINESS = Operation(
    "Can it do its work?",
    (
        ResponseSpec(200, "It can.", (Content(JSON, Readiness),)),
        ResponseSpec(
            503,
            "It cannot: Redis or the folder is away or takes no writes, or the disk is full.",
            (Content(JSON, Readiness),),
        ),
    ),
    description="`redis` says which Redis it is, and how durable.",
)
GET_METRICS = Operation(
    "What does it do, and how much?", (ResponseSpec(200, "For Prometheus.", (Content("text/plain", schema=TEXT),)),)
)
