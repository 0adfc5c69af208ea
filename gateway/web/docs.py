"""The documentation of the API: /openapi.json for programs, /docs for people."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic_core import to_json
from quart import Blueprint, Quart, Response, current_app, request

from gateway.openapi import text as prose
from gateway.openapi.document import Route, build_document
from gateway.openapi.operations import HTML, JSON, TEXT, Content, Operation, ResponseSpec, describes, find_operation

from .conditional import PreconditionFailed
from .frame import find_site, render_page
from .i18n import Translator
from .security import OPEN_PATHS, list_refusals
from .static_files import CONDITIONS, ETAG, UNCHANGED, answer_tagged

API_VERSION = "1.0.0"
_DOCUMENT = Content(JSON, schema={"type": "object"})
_PAGE = Content(HTML, schema=TEXT)
GET_DOCUMENT = Operation(
    "This document",
    (ResponseSpec(200, "OpenAPI 3.1.", (_DOCUMENT,), (ETAG,)), UNCHANGED),
    parameters=CONDITIONS,
    errors=(PreconditionFailed,),
)
GET_DOCS = Operation(
    "This document as a page",
    (ResponseSpec(200, "A page that needs nothing from elsewhere.", (_PAGE,), (ETAG,)), UNCHANGED),
    parameters=CONDITIONS,
    errors=(PreconditionFailed,),
)


def blueprint(*, needs_token: bool) -> Blueprint:
    """The document and the page, of all routes that the application has once it is served."""
    views = Blueprint("docs", __name__)

    @cache
    def describe() -> dict[str, Any]:
        routes = list_routes(current_app, needs_token=needs_token)
        return build_document(routes, needs_token=needs_token, version=API_VERSION)

    @views.get("/openapi.json")
    @describes(GET_DOCUMENT)
    async def get_document() -> Response:
        return answer_tagged(to_json(describe() | {"servers": [{"url": f"{request.root_path}/"}]}), JSON)

    @views.get("/docs", strict_slashes=False)
    @describes(GET_DOCS)
    async def get_docs() -> Response:
        html = await render_page("docs.html", Translator("en"), document=describe(), prose=prose, server=find_site())
        return answer_tagged(html.encode(), HTML)

    return views


def list_routes(app: Quart, *, needs_token: bool) -> Iterator[Route]:
    """Each method of each rule of `app`, without views that have no `Operation`."""
    for rule in app.url_map.iter_rules():
        operation = find_operation(app.view_functions[rule.endpoint])
        if operation is None:
            continue
        for method in list_methods(rule):
            errors = list_refusals(method, rule.rule, needs_token=needs_token)
            yield Route(method, rule.rule, rule.endpoint, operation, errors, is_open=rule.rule in OPEN_PATHS)


def list_methods(rule: Any) -> list[str]:
    """The methods that a view itself answers: without the OPTIONS of the framework."""
    own = set(rule.methods)
    return sorted(own - {"OPTIONS"} if rule.provide_automatic_options else own)
