"""The OpenAPI 3.1 document of an application: what its views promise, for each rule and method of its map.

Pure: routes go in, a JSON value comes out. Knows the form of such a document and no framework.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from gateway.errors import CONTENT_TYPE, GatewayError, Problem

from .operations import TEXT, Content, Operation, Parameter, ResponseSpec, refuse

ABOUT = (
    "An audio library, and a task API that tells the HTTP codes of many URLs. Every path is served with and without "
    "its final slash. HEAD is served wherever GET is; OPTIONS tells what is. Refusals are problems of RFC 9457."
)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of the server."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name; the token is the password."},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_REF = "#/components/schemas/{model}"

Object = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """One method of one rule (in the form of werkzeug), under the name of its endpoint (`tasks.get_task`).

    `errors` are the refusals that any such call can meet; `is_open`: no token is needed whatever is set.
    """

    method: str
    rule: str
    endpoint: str
    operation: Operation
    errors: tuple[type[GatewayError], ...] = ()
    is_open: bool = False

    @property
    def path(self) -> str:
        """The path as the document writes it."""
        return _VARIABLE.sub(r"{\2}", self.rule)

    @property
    def tag(self) -> str:
        """The part of the API that it belongs to."""
        return self.operation.group or self.endpoint.partition(".")[0]


def build_document(routes: Iterable[Route], *, needs_token: bool, version: str) -> Object:
    """The document of these routes. `needs_token`: a call without the token is refused."""
    routes = sorted(routes, key=lambda route: (route.rule, METHODS.index(route.method)))
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
    """A name for each operation that can be one of a function: no two are the same, and they stay."""
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
    """The schema of every model by its identity, and the schemas that these refer to."""
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
    described["responses"] = _describe_answers(route, schemas)
    if route.is_open:
        described["security"] = []
    return described


def _describe_variables(route: Route) -> Iterator[Object]:
    for kind, name in _VARIABLE.findall(route.rule):
        known = route.operation.variables.get(name)
        schema: Object = {"type": "string", "format": "uuid"} if kind == "uuid" else {"type": "string", "minLength": 1}
        described = _describe_parameter(known) if known else {"schema": schema}
        yield {**described, "name": name, "in": "path", "required": True}


def _describe_parameter(parameter: Any) -> Object:
    if not isinstance(parameter, Parameter):
        parameter = parameter.parameter
    described = {"name": parameter.name, "in": parameter.where, "required": parameter.required}
    return described | _describe_value(parameter)


def _describe_value(parameter: Parameter) -> Object:
    example = {} if parameter.example is None else {"example": parameter.example}
    return {"description": parameter.description, "schema": parameter.schema, **example}


def _describe_content(content: Content, schemas: Mapping[int, Object]) -> Object:
    schema = content.schema if content.model is None else schemas[id(content.model)]
    known = {"schema": schema, "example": content.example}
    return {key: value for key, value in known.items() if value is not None}


def _describe_answers(route: Route, schemas: Mapping[int, Object]) -> Object:
    """The answers by status. Several that share one are told together."""
    has_body = route.method != "HEAD"
    responses: Object = {}
    for answer in sorted((*route.operation.answers, *_list_refusals(route)), key=lambda answer: answer.status):
        response = responses.setdefault(str(answer.status), {"description": answer.description})
        if response["description"] != answer.description:
            response["description"] += " " + answer.description
        headers = {header.name: {"required": header.required} | _describe_value(header) for header in answer.headers}
        content = {content.media_type: _describe_content(content, schemas) for content in answer.contents}
        links = {
            _name_operation(endpoint): {"operationId": _name_operation(endpoint), "parameters": parameters}
            for endpoint, parameters in answer.links.items()
        }
        for key, value in (("headers", headers), ("content", content if has_body else {}), ("links", links)):
            if value:
                response[key] = response.get(key, {}) | value
    return responses


def _list_refusals(route: Route) -> Iterator[ResponseSpec]:
    """One answer for each status and media type of the errors that a call can meet."""
    operation = route.operation
    meant = [*((operation.errors_as, error) for error in operation.errors), *((CONTENT_TYPE, e) for e in route.errors)]
    by_answer: dict[tuple[str, int], list[type[GatewayError]]] = {}
    for media_type, error in meant:
        by_answer.setdefault((media_type, error.status), []).append(error)
    for (media_type, status), errors in by_answer.items():
        words = " ".join(dict.fromkeys((error.__doc__ or "").partition("\n")[0] for error in errors))
        answer = refuse(status, words, *dict.fromkeys(error.code for error in errors))
        yield answer if media_type == CONTENT_TYPE else replace(answer, contents=(Content(media_type, schema=TEXT),))
