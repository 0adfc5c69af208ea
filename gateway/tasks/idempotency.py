"""A POST that can be repeated: the same key gives the same task (draft-ietf-httpapi-idempotency-key-header-07).

Owns this key of Redis:

gateway:idempotency:<key>    "<task id> <hash of the body>", for a day

The id of the task is settled before the task is made. Who repeats a call that broke off anywhere makes the same
task again, or finds it made.
"""

from hashlib import blake2b
from uuid import UUID, uuid4

from ..datastore import Datastore
from ..errors import Unprocessable

KEPT_S = 86_400

_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""


class Idempotency:
    """The keys that clients have sent."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    async def claim(self, key: str, body: bytes) -> UUID:
        """The id of the task that a POST of `body` under `key` makes, the first time and every time after.

        :raises Unprocessable: the key came with another body before.
        :raises RedisAway: there is no Redis for now.
        """
        digest = blake2b(body, digest_size=16).hexdigest()
        held = await self._datastore.eval(_CLAIM, [f"gateway:idempotency:{key}"], [f"{uuid4()} {digest}", KEPT_S])
        identity, _, seen = bytes(held).decode().partition(" ")
        if seen != digest:
            raise Unprocessable("This Idempotency-Key came with another body before.")
        return UUID(identity)
