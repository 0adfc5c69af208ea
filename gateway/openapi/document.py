"""The OpenAPI 3.1 document of an application. Pure: routes go in, a JSON value comes out; knows no framework."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import CONTENT_TYPE, GatewayError, NotFound, Problem, name_problem

from .operations import TEXT, Content, Number, Operation, Parameter, ResponseSpec, Token, always

ABOUT = (
    "An audio library, and a task API that tells the HTTP codes of many URLs. Paths below /api/ that do not end with "
    "the name of a file are served with and without their final slash. HEAD is served wherever GET is; OPTIONS tells "
    "what is. Refusals are problems of RFC 9457."
)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of the server."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name; the token is the password."},
}
_ERROR_HEADERS = {
    401: (always("WWW-Authenticate", "The ways to send the token."),),
    405: (always("Allow", "The methods there are."),),
    416: (always("Content-Range", "The size of the file: `bytes */<size>`."),),
    429: (always("Retry-After", "Seconds to wait."),),
    503: (Parameter("Retry-After", "Seconds to wait, where that can be said."),),
}
"""The headers of an error by its status."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_REF = "#/components/schemas/{model}"

Object = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """One method of one rule of werkzeug; `endpoint` is the name of its view (`tasks.get_task`).

    `errors` can come before the view is called; `is_open`: it never needs a token.
    """

    method: str
    rule: str
    endpoint: str
    operation: Operation
    errors: tuple[type[GatewayError], ...] = ()
    is_open: bool = False

    @property
    def path(self) -> str:
        """The path in the form of OpenAPI."""
        return _VARIABLE.sub(r"{\2}", self.rule)

    @property
    def tag(self) -> str:
        """The group of operations that it belongs to."""
        return self.operation.group or self.endpoint.partition(".")[0]


def build_document(routes: Iterable[Route], *, needs_token: bool, version: str) -> Object:
    """The document of these routes. `needs_token`: calls without the token are refused."""
    routes = sorted(routes, key=lambda route: (route.rule, _METHODS.index(route.method)))
    names = _choose_names(routes)
    schemas, components = _describe_models(routes)
    paths: Object = {}
    for route in routes:
        path = paths.setdefault(route.path, {})
        path[route.method.lower()] = _describe_operation(route, names[route.method, route.rule], schemas)
    ways = [{name: list[str]()} for name in SECURITY_SCHEMES]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway",
            "version": version,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": ways if needs_token else [{}, *ways],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY_SCHEMES},
    }


def _choose_names(routes: list[Route]) -> dict[tuple[str, str], str]:
    """A unique and stable name for each operation, valid as the name of a function."""
    names: dict[tuple[str, str], str] = {}
    for route in routes:
        name = _name_operation(route.endpoint)
        if route.method == "HEAD" and not route.endpoint.partition(".")[2].startswith("head"):
            name += "_head"
        while name in names.values():
            name += "_of_one"
        names[route.method, route.rule] = name
    return names


def _name_operation(endpoint: str) -> str:
    return endpoint.replace(".", "_")


def _describe_models(routes: list[Route]) -> tuple[dict[int, Object], Object]:
    """The schema of every model by the id of the model, and the schemas that these refer to."""
    inputs: list[tuple[int, Any, TypeAdapter[Any]]] = [(id(Problem), "serialization", TypeAdapter(Problem))]
    for route in routes:
        sent = [content for answer in route.operation.answers for content in answer.contents]
        for contents, mode in ((sent, "serialization"), (route.operation.bodies, "validation")):
            models = (content.model for content in contents if content.model is not None)
            inputs += [(id(model), mode, TypeAdapter(model)) for model in models]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return {key: dict(schema) for (key, _), schema in schemas.items()}, definitions["$defs"]


def _describe_operation(route: Route, name: str, schemas: Mapping[int, Object]) -> Object:
    operation = route.operation
    described: Object = {"operationId": name, "tags": [route.tag], "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    if parameters := [*_describe_variables(route), *map(_describe_parameter, operation.parameters)]:
        described["parameters"] = parameters
    if operation.bodies:
        content = {body.media_type: _describe_content(body, schemas) for body in operation.bodies}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    described["responses"] = _describe_responses(route, schemas)
    if route.is_open:
        described["security"] = []
    return described


def _describe_variables(route: Route) -> Iterator[Object]:
    for kind, name in _VARIABLE.findall(route.rule):
        known = route.operation.variables.get(name)
        schema: Object = {"type": "string", "format": "uuid"} if kind == "uuid" else {"type": "string", "minLength": 1}
        described = _describe_parameter(known) if known else {"schema": schema}
        yield {**described, "name": name, "in": "path", "required": True}


def _describe_parameter(parameter: Parameter | Number | Token) -> Object:
    known = parameter if isinstance(parameter, Parameter) else parameter.parameter
    return {"name": known.name, "in": known.where, **_describe_header(known)}


def _describe_header(header: Parameter) -> Object:
    example = {} if header.example is None else {"example": header.example}
    return {"required": header.required, "description": header.description, "schema": header.schema, **example}


def _describe_content(content: Content, schemas: Mapping[int, Object]) -> Object:
    schema = content.schema if content.model is None else schemas[id(content.model)]
    known = {"schema": schema, "example": content.example}
    return {key: value for key, value in known.items() if value is not None}


def _describe_responses(route: Route, schemas: Mapping[int, Object]) -> Object:
    """The responses by status; several of one status are merged."""
    has_body = route.method != "HEAD"
    responses: Object = {}
    for answer in sorted((*route.operation.answers, *_list_errors(route)), key=lambda answer: answer.status):
        response = responses.setdefault(str(answer.status), {"description": answer.description})
        if response["description"] != answer.description:
            response["description"] += " " + answer.description
        headers = {header.name: _describe_header(header) for header in answer.headers}
        content = {content.media_type: _describe_content(content, schemas) for content in answer.contents}
        links = {
            _name_operation(endpoint): {"operationId": _name_operation(endpoint), "parameters": parameters}
            for endpoint, parameters in answer.links.items()
        }
        for key, value in (("headers", headers), ("content", content if has_body else {}), ("links", links)):
            if value:
                response[key] = response.get(key, {}) | value
    return responses


def _list_errors(route: Route) -> Iterator[ResponseSpec]:
    """One response for each status and media type of the errors of a route."""
    grouped: dict[tuple[str, int], list[type[GatewayError]]] = {}
    operation = route.operation
    # A path whose variable has another form leads to no view: programs get that as JSON, also of a page.
    no_view = (NotFound,) if operation.variables and NotFound in operation.errors else ()
    for media_type, errors in (
        (operation.errors_as, operation.errors),
        (CONTENT_TYPE, (*route.errors, *no_view)),
    ):
        for error in errors:
            grouped.setdefault((media_type, error.status), []).append(error)
    for (media_type, status), group in grouped.items():
        words = " ".join(dict.fromkeys((error.__doc__ or "").partition("\n")[0] for error in group))
        types = [name_problem(code) for code in dict.fromkeys(error.code for error in group)]
        problem = {"$ref": _REF.format(model="Problem"), "properties": {"type": {"enum": types}}}
        content = Content(media_type, schema=problem if media_type == CONTENT_TYPE else TEXT)
        yield ResponseSpec(status, words, (content,), _ERROR_HEADERS.get(status, ()))
