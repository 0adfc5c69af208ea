"""Resumable uploads of one file by tus 1.0 (https://tus.io/protocols/resumable-upload)."""

import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .api import ApiError, Broken, GatewayApi, Refused

if TYPE_CHECKING:
    import httpx

CHUNK_BYTES = 256 * 1024
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0


def read_chunks(
    file: FileIO, found: os.stat_result, offset_bytes: int, answered: Callable[[], bool], show: Callable[[int], None]
) -> Iterator[bytes]:
    """The bytes of a file from an offset on; `found` is its state when it was opened.

    An answer that is there already ends them too: httpcore takes a failed write for "the server may have
    answered" and reads the answer.

    :raises Refused: the file changed; it ends before its last chunk, so that nothing is stored.
    """
    from httpcore import WriteError

    file.seek(offset_bytes)
    while offset_bytes < found.st_size:
        show(offset_bytes)
        if answered():
            raise WriteError("answered early")
        chunk = file.read(min(CHUNK_BYTES, found.st_size - offset_bytes))
        offset_bytes += len(chunk)
        now = os.fstat(file.fileno())
        if not chunk or (now.st_size, now.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
            raise Refused("the file changed while it was being read")
        yield chunk
    show(offset_bytes)


class ResumableUpload:
    """One file, sent in as many requests as it takes.

    :raises Refused: the server does not take the file: that is known before it is sent.
    """

    def __init__(self, api: GatewayApi, name: str, file: FileIO, found: os.stat_result) -> None:
        self._api = api
        self._file = file
        self._found = found
        self._key = ""
        metadata = f"filename {b64encode(name.encode()).decode()}"
        headers = {"Upload-Length": str(found.st_size), "Upload-Metadata": metadata, "Content-Length": "0"}
        # Only the last part counts: a server cannot send the file elsewhere, and a proxy may have a path of its own.
        self._key = quote(self._call("POST", headers).get("Location", "").rpartition("/")[2], safe="")
        if not self._key:
            raise Broken("the upload got no place: is it a gateway?")

    def send(self, show: Callable[[int], None]) -> None:
        """Send it all. After a failure it goes on from the server's offset, until nothing moved for the timeout.

        :raises Refused: the server said no, or the file changed; what had arrived is removed.
        :raises Broken: nothing moved for the timeout.
        """
        reached_bytes = 0
        failed_s = 0.0
        pause_s = FIRST_PAUSE_S
        offset_bytes: int | None = 0
        try:
            while reached_bytes < self._found.st_size:
                try:
                    before_bytes = self._call_offset("HEAD", {}) if offset_bytes is None else offset_bytes
                    offset_bytes = self._send_rest(before_bytes, show)
                    if offset_bytes <= reached_bytes:
                        raise Broken("the server takes nothing of the file", may_pass=True)
                    reached_bytes = offset_bytes
                    failed_s = 0.0
                    pause_s = FIRST_PAUSE_S
                except ApiError as error:
                    failed_s = failed_s or time.monotonic()
                    if (
                        not (error.may_pass or isinstance(error, Broken))
                        or time.monotonic() - failed_s > self._api.timeout_s
                    ):
                        raise
                    time.sleep(pause_s)
                    offset_bytes = None
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        except BaseException:
            with suppress(ApiError):
                self._call("DELETE", {}, timeout_s=1)
            raise

    def _send_rest(self, offset_bytes: int, show: Callable[[int], None]) -> int:
        left_bytes = self._found.st_size - offset_bytes
        if not left_bytes:  # an answer was lost
            return offset_bytes
        headers = {"Upload-Offset": str(offset_bytes), "Content-Length": str(left_bytes)}
        headers["Content-Type"] = "application/offset+octet-stream"
        chunks = read_chunks(self._file, self._found, offset_bytes, self._api.has_answered, show)
        return self._call_offset("PATCH", headers, content=chunks)

    def _call_offset(self, method: str, headers: dict[str, str], **request: Any) -> int:
        offset = self._call(method, headers, **request).get("Upload-Offset", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 20 and int(offset) <= self._found.st_size):
            raise Broken("the upload is nowhere: is it a gateway?", may_pass=True)
        return int(offset)

    def _call(self, method: str, headers: dict[str, str], **request: Any) -> "httpx.Headers":
        headers = {"Tus-Resumable": "1.0.0"} | headers
        with self._api.call(method, f"/api/v1/uploads/{self._key}", headers=headers, **request) as answer:
            return answer.headers
