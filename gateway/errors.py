"""The base class of all errors of the gateway, and their one form in a response.

    GatewayError                500  internal-server-error
    ├── BadRequest              400  bad-request             (this module)
    ├── Unauthorized            401  unauthorized            web.security
    ├── CrossSite               403  cross-site              web.security
    ├── NotFound                404  not-found               (this module)
    ├── BodyTimeout             408  body-timeout            web.body_flow
    ├── NameTaken               409  name-taken              audio.filenames
    ├── ListChanged             409  list-changed            audio.listing
    ├── OffsetMismatch          409  offset-mismatch         audio.uploads.partial
    ├── NothingSelected         409  nothing-selected        tasks.results.selection
    ├── PreconditionFailed      412  precondition-failed     web.conditional
    ├── VersionUnsupported      412  tus-version-unsupported audio.uploads.operations
    ├── BodyTooLarge            413  too-large               (this module)
    ├── UnsupportedBody         415  unsupported-body        (this module)
    ├── NotAudio                415  not-audio               audio.uploads.writer
    ├── RangeNotSatisfiable     416  range-not-satisfiable   web.conditional
    ├── HostRefused             421  host-refused            web.security
    ├── Unprocessable           422  unprocessable           (this module)
    ├── UploadLocked            423  upload-locked           audio.uploads.partial
    ├── QueueFull               429  queue-full              tasks.queue
    ├── TooManyWrongTokens      429  too-many-wrong-tokens   web.security
    ├── Unavailable             503  unavailable             (this module)
    │   └── RedisUnavailable    503  unavailable             datastore.client
    │       ├── RedisFull       503  unavailable             datastore.client
    │       └── KeyCorrupted    503  unavailable             datastore.client
    └── NoSpace                 507  no-space                audio.uploads.storage

A subclass that one module raises is defined there. This module imports nothing of the gateway.
"""

from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

CONTENT_TYPE = "application/problem+json"


class StartRefused(SystemExit):
    """The process cannot start: it ends with this text on stderr, without a traceback."""


class GatewayError(Exception):
    """An error with its HTTP response: `detail` is a sentence for people, `fields` are added to the body."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-server-error"

    def __init__(self, detail: str, *, retry_after_s: int | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.fields = fields

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response beside Content-Type."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class BadRequest(GatewayError):
    """The request is not well formed."""

    status, code = 400, "bad-request"


class NotFound(GatewayError):
    """There is nothing under this name."""

    status, code = 404, "not-found"


class BodyTooLarge(GatewayError):
    """The body is over the limit of this call."""

    status, code = 413, "too-large"


class UnsupportedBody(GatewayError):
    """The body is of a type that this call does not take."""

    status, code = 415, "unsupported-body"


class Unprocessable(GatewayError):
    """The request is well formed, but asks for something impossible."""

    status, code = 422, "unprocessable"


class Unavailable(GatewayError):
    """Redis or the audio folder is not available for now."""

    status, code = 503, "unavailable"


class Problem(BaseModel):
    """The body of an error: a problem of RFC 9457. More fields may follow (`name`, `index`)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:gateway:problem:` and a stable word for programs.")
    title: str = Field(description="The phrase of the status, or the stable word where no RFC names it.")
    status: int
    detail: str = Field(description="A sentence for a person.")
    request_id: str = Field("", description="The id of the request, as in the log and in `X-Request-ID`.")


def problem(status: int, code: str, detail: str, **fields: Any) -> dict[str, Any]:
    """The body of an error, as a `Problem` describes it."""
    return {
        "type": name_problem(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **fields,
    }


def name_problem(code: str) -> str:
    """The URI in `type` of a problem."""
    return f"urn:gateway:problem:{code}"
