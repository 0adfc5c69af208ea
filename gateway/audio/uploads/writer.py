"""The bytes of one file on their way in: counted, judged by the head, gathered and handed to the disk.

Every way to upload ends here. Refuses as early as the bytes tell; the whole is judged by the library.
"""

from collections.abc import AsyncIterable

from gateway.audio.formats.detect import HEAD_BYTES, may_be_audio
from gateway.audio.formats.refusals import explain_refusal
from gateway.errors import BodyTooLarge, GatewayError

from .atomic_file import AtomicFile
from .storage import Storage

_PIECE_BYTES = 1024 * 1024
"""How much is gathered for one trip to a worker thread."""
_MAX_PIECES = 512


class NotAudio(GatewayError):
    """The bytes are not those of an audio file.

    `head` are the first of them, all where there are few.
    """

    status, code = 415, "not-audio"

    def __init__(self, head: bytes) -> None:
        super().__init__(explain_refusal(head))


class UploadWriter:
    """Takes the bytes of a file into a staged one, which may have the first of them already.

    `head` are the first bytes of what is there, up to `HEAD_BYTES`; `size_bytes` is how much that is. `pieces` are
    still in memory: when `take` is broken off, it is for the caller to write them.
    """

    def __init__(
        self, disk: Storage, staged: AtomicFile, *, limit_bytes: int, head: bytes = b"", size_bytes: int = 0
    ) -> None:
        self._disk = disk
        self._staged = staged
        self._limit_bytes = limit_bytes
        self._head = bytearray(head)
        self._size_bytes = size_bytes
        self._judged_bytes = HEAD_BYTES if len(head) >= HEAD_BYTES else 0
        self.pieces: list[bytes] = []
        self._waiting_bytes = 0

    async def take(self, chunks: AsyncIterable[bytes]) -> None:
        """Take them all; at the end all are on their way to the disk.

        :raises NotAudio: the head cannot be that of an audio file.
        :raises BodyTooLarge: more than `limit_bytes`.
        :raises NoSpace, Unavailable: as `Storage.run`.
        """
        async for chunk in chunks:
            self._size_bytes += len(chunk)
            if self._size_bytes > self._limit_bytes:
                raise too_large(self._limit_bytes)
            if self._judged_bytes < HEAD_BYTES:
                self._judge(chunk)
            self.pieces.append(chunk)
            self._waiting_bytes += len(chunk)
            if self._waiting_bytes >= _PIECE_BYTES or len(self.pieces) >= _MAX_PIECES:
                await self._flush()
        await self._flush()

    async def _flush(self) -> None:
        self._waiting_bytes = 0
        await self._disk.run(self._staged.write, self.pieces)

    def _judge(self, chunk: bytes) -> None:
        self._head += chunk[: HEAD_BYTES - len(self._head)]
        # Judged when it has doubled, so that a dripping client costs no more than a fast one.
        if len(self._head) >= min(2 * self._judged_bytes, HEAD_BYTES):
            self._judged_bytes = len(self._head)
            if not may_be_audio(bytes(self._head)):
                raise NotAudio(bytes(self._head))


def too_large(limit_bytes: int) -> BodyTooLarge:
    """The refusal of a file over the limit."""
    return BodyTooLarge(f"The file is over the limit of {limit_bytes} bytes.", limit_bytes=limit_bytes)
