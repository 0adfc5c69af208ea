"""What the API of the library takes and gives, as JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic_core import from_json

from gateway.errors import BadRequest, Unprocessable

from .filenames import MAX_NAME_BYTES


def _write_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


NAME_FORM: dict[str, Any] = {
    "minLength": 1,
    "maxLength": MAX_NAME_BYTES,
    "pattern": r"^(?!\.)(?=.*\S)[^/\u0000-\u001f\u007f-\u009f]+$",
}


class NewName(BaseModel):
    """What of a file can be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(json_schema_extra=NAME_FORM)


def parse_new_name(body: bytes) -> str:
    """The name in the body of a PATCH; whether a file can have it is not looked at.

    :raises BadRequest: it is not JSON in UTF-8.
    :raises Unprocessable: it is not an object of a name alone.
    """
    try:
        return NewName.model_validate(from_json(body)).name
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise Unprocessable(f"{field or 'body'}: {first['msg']}.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None


class File(BaseModel):
    """A file of the library. Null: the file does not say it."""

    model_config = ConfigDict(frozen=True)

    name: str
    size_bytes: int
    content_type: str = Field(description="What its bytes are, whatever its name says.")
    duration_s: float | None
    title: str | None
    artist: str | None
    album: str | None
    track_number: int | None
    disc_number: int | None
    bit_rate_bps: int | None
    sample_rate_hz: int | None
    channels: int | None
    playable: bool = Field(description="Chromium, Firefox and Safari play its form; some sounds in mp4 they do not.")
    cover: str | None = Field(description="The path of the picture in it.")
    uploaded_at: Annotated[datetime, PlainSerializer(_write_time), Field(json_schema_extra={"format": "date-time"})]
    url: str = Field(description="The path of its bytes.")


@dataclass(frozen=True, slots=True)
class Reading:
    """How many files of the folder were looked into: `done` of `total`."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Files:
    """A part of the list, from `offset` on, of `total` files that the query finds.

    `reading` is null once the length and tags of every file are known. `revision` names the state of the list.
    """

    files: list[File]
    total: int
    offset: int
    revision: str
    reading: Reading | None
