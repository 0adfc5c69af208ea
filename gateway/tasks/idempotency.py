"""A POST that can be repeated: the same key gives the same task (draft-ietf-httpapi-idempotency-key-header-07).

The id of the task is made from the key, so that nothing is stored beside the task. A call that broke off anywhere and
is repeated makes the same task, or finds it made. A key is remembered for as long as its task is kept.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import UUID, uuid4


@dataclass(frozen=True, slots=True)
class Identity:
    """The id of a new task, and under an Idempotency-Key the hash of the body that came with it."""

    id: UUID = field(default_factory=uuid4)
    digest: str = ""


def identify(key: str | None, body: bytes) -> Identity:
    """The identity of the task that a POST of `body` under `key` makes, the first time and every time after."""
    if key is None:
        return Identity()
    name = blake2b(key.encode(), digest_size=16, person=b"idempotency-key").digest()
    return Identity(UUID(bytes=name, version=4), blake2b(body, digest_size=16).hexdigest())
