"""What a caller can read of the API: /openapi.json for programs, /docs for people."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json
from quart import Blueprint, Quart, Response, current_app, render_template, request

from gateway.openapi import text as prose
from gateway.openapi.document import Route, build_document
from gateway.openapi.operations import (
    HTML,
    JSON,
    TEXT,
    Content,
    Operation,
    Parameter,
    ResponseSpec,
    describes,
    find_operation,
)

from .security import OPEN_PATHS, list_refusals
from .static_files import add_static

API_VERSION = "1.0.0"
_ETAG = Parameter("ETag", "Names this state of it.", required=True)
_IF_NONE_MATCH = Parameter("If-None-Match", "An entity tag: 304 if it is still so.", "header")
_UNCHANGED = ResponseSpec(304, "Nothing has changed.", headers=(_ETAG,))
GET_DOCUMENT = Operation(
    "This document",
    (ResponseSpec(200, "OpenAPI 3.1.", (Content(JSON, schema={"type": "object"}),), (_ETAG,)), _UNCHANGED),
    parameters=(_IF_NONE_MATCH,),
)
GET_DOCS = Operation(
    "This document, to be read",
    (
        ResponseSpec(200, "A page that needs nothing from elsewhere.", (Content(HTML, schema=TEXT),), (_ETAG,)),
        _UNCHANGED,
    ),
    parameters=(_IF_NONE_MATCH,),
)


def blueprint(*, needs_token: bool) -> Blueprint:
    """The document and the page, of all routes that the application has once it is served."""
    views = Blueprint("docs", __name__, template_folder="templates")
    add_static(views, "/static/docs")

    @views.get("/openapi.json")
    @describes(GET_DOCUMENT)
    async def get_document() -> Response:
        return await _answer(to_json(_describe(needs_token=needs_token)), JSON)

    @views.get("/docs", strict_slashes=False)
    @describes(GET_DOCS)
    async def get_docs() -> Response:
        document = _describe(needs_token=needs_token)
        host = request.headers.get("Host", "")  # host_url reads IDNA of 2003 alone, and no underscore
        html = await render_template("docs.html", document=document, prose=prose, server=f"{request.scheme}://{host}/")
        return await _answer(html.encode(), f"{HTML}; charset=utf-8")

    return views


def list_routes(app: Quart, *, needs_token: bool) -> Iterator[Route]:
    """Every method of every rule of `app` whose view describes something."""
    for rule in app.url_map.iter_rules():
        operation = find_operation(app.view_functions[rule.endpoint])
        if operation is None:
            continue
        for method in list_methods(rule):
            errors = list_refusals(method, rule.rule, needs_token=needs_token)
            yield Route(method, rule.rule, rule.endpoint, operation, errors, is_open=rule.rule in OPEN_PATHS)


def list_methods(rule: Any) -> list[str]:
    """The methods that a view itself answers: not the OPTIONS that the framework does."""
    own = set(rule.methods)
    return sorted(own - {"OPTIONS"} if rule.provide_automatic_options else own)


def _describe(*, needs_token: bool) -> dict[str, Any]:
    """The document, made once an application."""
    key = "gateway.document"
    if key not in current_app.extensions:
        routes = list_routes(current_app, needs_token=needs_token)
        current_app.extensions[key] = build_document(routes, needs_token=needs_token, version=API_VERSION)
    document: dict[str, Any] = current_app.extensions[key]
    return document


async def _answer(body: bytes, content_type: str) -> Response:
    answer = Response(body, content_type=content_type, headers={"Cache-Control": "no-cache"})
    await answer.add_etag()
    await answer.make_conditional(request)
    return answer
