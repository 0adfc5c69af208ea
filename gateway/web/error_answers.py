"""The responses to errors: problem JSON (RFC 9457), or a page for a browser that asks outside /api/.

Only 404, 405, 500 and 503 have a page: it is in the language of its reader, has a link home, and the same status.
Refusals that a browser acts on (401) or that keep strangers out (403, 421, 429) are always problem JSON.
"""

from urllib.parse import urlsplit

from pydantic_core import to_json
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from gateway.errors import CONTENT_TYPE, GatewayError, problem
from gateway.openapi.operations import HTML, JSON
from gateway.process.logs import REQUEST_ID

from .frame import answer_page
from .i18n import choose_translator

_FAULT = "Something went wrong here; it is in the log."
_NOTHING = "There is nothing at this address."
_PAGES = {
    404: ("Page not found", _NOTHING),
    405: ("This cannot be done here", "This address is not for what was sent."),
    500: ("Something went wrong", _FAULT),
    503: ("Not available for now", "Try again in a moment."),
}
"""Heading and sentence of the page, by status."""
_VARY = {"Vary": "Accept, Accept-Language"}


def install(app: Quart) -> None:
    """Answer all errors of `app`; its redirects, of paths with doubled slashes, name no server."""
    app.register_error_handler(GatewayError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.after_request(_shorten_redirect)


async def _answer_error(error: GatewayError) -> Response:
    return await _answer(error.status, error.code, error.detail, error.headers, **error.fields)


async def _answer_http_exception(error: HTTPException) -> Response | HTTPException:
    """What the framework refuses, in the same shape."""
    if error.code is None or error.code < 400:
        return error
    detail = {404: _NOTHING}.get(error.code, str(error.description)) if error.code < 500 else _FAULT
    allow = dict(error.get_headers()).get("Allow")
    code = str(error.name).lower().replace(" ", "-")
    return await _answer(error.code, code, detail, {"Allow": allow} if allow else {})


async def _shorten_redirect(answer: Response) -> Response:
    if answer.status_code == 308:
        answer.location = urlsplit(answer.location)._replace(scheme="", netloc="").geturl()
        answer.set_data(b"")
    return answer


async def _answer(status: int, code: str, detail: str, headers: dict[str, str], **fields: object) -> Response:
    has_page = status in _PAGES and not request.path.startswith("/api/")
    if has_page:
        headers = headers | _VARY
    if has_page and request.accept_mimetypes.best_match([CONTENT_TYPE, JSON, HTML]) == HTML:
        words = choose_translator(request.accept_languages)
        heading, sentence = _PAGES[status]
        values = {"code": status, "heading": heading, "sentence": sentence, "request_id": REQUEST_ID.get()}
        return await answer_page("error.html", words, status=status, headers=headers, **values)
    body = problem(status, code, detail, **fields, request_id=REQUEST_ID.get())
    return Response(to_json(body), status, headers=headers, content_type=CONTENT_TYPE)
