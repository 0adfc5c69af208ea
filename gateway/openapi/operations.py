"""What a view promises to its callers: the source of the OpenAPI document.

An `Operation` stands on its view through `describes`. Types of bodies are the models that the code itself uses, and
refusals are its error classes, so that neither is said twice. A parameter of the query or of a header that has to
be checked is read by the same object that documents it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from werkzeug.datastructures import Headers

from gateway.errors import CONTENT_TYPE as PROBLEM
from gateway.errors import GatewayError, Unprocessable, name_problem

JSON = "application/json"
HTML = "text/html"
EVENTS = "text/event-stream"
OCTETS = "application/octet-stream"
FORM = "multipart/form-data"
TEXT = {"type": "string"}

_ATTRIBUTE = "gateway_operation"
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """A value in the query, in a header of the request, or (`where` is then of no meaning) of the answer.

    `required` of an answer's header: it is always there.
    """

    name: str
    description: str
    where: Literal["query", "header"] = "query"
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    example: Any = None
    required: bool = False


@dataclass(frozen=True)
class Number:
    """A number in the query, from `least` to `most`."""

    name: str
    description: str
    default: int
    least: int = 0
    most: int = 1_000_000

    def read(self, query: Mapping[str, str]) -> int:
        """The number, or the default.

        :raises Unprocessable: it is none, or out of its range.
        """
        text = query.get(self.name)
        if text is None:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and self.least <= int(text) <= self.most):
            raise Unprocessable(f"{self.name} is a number from {self.least} to {self.most}.", field=self.name)
        return int(text)

    @property
    def parameter(self) -> Parameter:
        """What the document says of it."""
        schema = {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}
        return Parameter(self.name, self.description, schema=schema)


@dataclass(frozen=True)
class Token:
    """A header of the request in which one of `form`, a regular expression, must stand."""

    name: str
    description: str
    form: str

    def read(self, headers: Headers) -> str | None:
        """The value, or None without one.

        :raises Unprocessable: it has another form.
        """
        value = headers.get(self.name)
        if value is not None and not re.fullmatch(self.form, value):
            raise Unprocessable(f"{self.name} must be {self.description}", field=self.name)
        return value

    @property
    def parameter(self) -> Parameter:
        """What the document says of it."""
        schema = {"type": "string", "pattern": f"^(?:{self.form})$"}
        return Parameter(self.name, self.description, "header", schema)


@dataclass(frozen=True)
class Content:
    """A body: its media type, and its form as a `model` that pydantic understands or as a JSON `schema`."""

    media_type: str = JSON
    model: Any = None
    schema: Mapping[str, Any] | None = None
    example: Any = None


def stream_events(names: tuple[str, ...], data: Mapping[str, Any], example: str) -> Content:
    """A stream of server-sent events; the schema is that of each, as OpenAPI 3.2 would say by `itemSchema`."""
    json = {"type": "string", "contentMediaType": JSON, "contentSchema": data}
    properties = {"id": TEXT, "event": {"enum": list(names)}, "data": json}
    return Content(EVENTS, schema={"type": "object", "properties": properties, "required": ["data"]}, example=example)


@dataclass(frozen=True)
class ResponseSpec:
    """What may come back. `links` names the operations that go on from here: the view, and where its argument
    is in this answer (an expression of OpenAPI)."""

    status: int
    description: str
    contents: tuple[Content, ...] = ()
    headers: tuple[Parameter, ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


REFUSAL_HEADERS = {
    401: (Parameter("WWW-Authenticate", "The ways to send the token.", required=True),),
    405: (Parameter("Allow", "The methods there are.", required=True),),
    416: (Parameter("Content-Range", "The size of the file: `bytes */<size>`.", required=True),),
    429: (Parameter("Retry-After", "Seconds to wait.", required=True),),
    503: (Parameter("Retry-After", "Seconds to wait, where that can be said."),),
}
"""Headers of a refusal of this status."""


@dataclass(frozen=True)
class Operation:
    """One method of one route. `errors` are the refusals of its own, beside those that every call can meet.

    They are of the media type `errors_as`; `variables` describes the variable parts of the path.
    """

    summary: str
    answers: tuple[ResponseSpec, ...]
    description: str = ""
    group: str = ""
    variables: Mapping[str, Parameter] = field(default_factory=dict)
    parameters: tuple[Parameter | Number | Token, ...] = ()
    bodies: tuple[Content, ...] = ()
    body_required: bool = True
    errors: tuple[type[GatewayError], ...] = ()
    errors_as: str = PROBLEM


def refuse(status: int, description: str, *codes: str) -> ResponseSpec:
    """The problem that is answered under these stable words."""
    types = [name_problem(code) for code in codes]
    schema = {"$ref": "#/components/schemas/Problem", "properties": {"type": {"enum": types}}}
    return ResponseSpec(status, description, (Content(PROBLEM, schema=schema),), REFUSAL_HEADERS.get(status, ()))


def describes(operation: Operation) -> Callable[[View], View]:
    """Attach an operation to a view; goes under the decorator of its route."""

    def note(view: View) -> View:
        view.__dict__[_ATTRIBUTE] = operation
        return view

    return note


def find_operation(view: Callable[..., Any]) -> Operation | None:
    """What a view describes, if it says so."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else None
