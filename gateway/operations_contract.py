"""What the calls of an operator promise; the views stand in `operations`."""

from .contract import JSON, TEXT, Answer, Content, Operation

_STATUS = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
_READINESS = {
    "type": "object",
    "properties": {
        "ready": {"type": "boolean"},
        "redis": {
            "type": "object",
            "properties": {
                "kind": {"enum": ["embedded", "remote", "none"]},
                "available": {"type": "boolean"},
                "version": {"type": "string"},
                "durability": {"type": "string", "description": "`aof everysec`, `rdb`, `none`, `unknown`."},
            },
            "required": ["kind", "available", "version", "durability"],
        },
        "audio": {
            "type": "object",
            "properties": {"writable": {"type": "boolean"}, "free_bytes": {"type": "integer"}},
            "required": ["writable", "free_bytes"],
        },
    },
    "required": ["ready", "redis", "audio"],
}

GET_HEALTH = Operation(
    "Does the process live?", (Answer(200, "It does.", (Content(JSON, schema=_STATUS, example={"status": "ok"}),)),)
)
GET_READINESS = Operation(
    "Can it do its work?",
    (
        Answer(200, "It can.", (Content(JSON, schema=_READINESS),)),
        Answer(503, "It cannot: Redis or the folder is away, or the disk full.", (Content(JSON, schema=_READINESS),)),
    ),
    description="Which Redis it is, and how durable, stands in `redis`.",
)
GET_METRICS = Operation(
    "What does it do, and how much?", (Answer(200, "For Prometheus.", (Content("text/plain", schema=TEXT),)),)
)
