"""The fields of a plain HTML form (application/x-www-form-urlencoded), of a bounded length."""

from urllib.parse import parse_qs

from gateway.errors import BadRequest, UnsupportedBody

from .body_flow import StreamedRequest

FIELDS = "application/x-www-form-urlencoded"


async def read_fields(request: StreamedRequest, limit_bytes: int) -> dict[str, list[str]]:
    """The values of each field.

    :raises UnsupportedBody: it is no form, or one of files.
    :raises BadRequest: it is not UTF-8.
    :raises BodyTooLarge, BodyTimeout: as `StreamedRequest.read_body`.
    """
    if request.mimetype != FIELDS:
        raise UnsupportedBody(f"Send the fields as {FIELDS}: name=a.mp3&name=b.mp3.")
    body = await request.read_body(limit_bytes)
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise BadRequest("The names in a form must be UTF-8.") from None
