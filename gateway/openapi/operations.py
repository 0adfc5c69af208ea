"""The operations of the API, from which the OpenAPI document is built; `describes` attaches one to its view.

Bodies are described by the models, and errors by the exceptions, that the code itself uses. A `Number` or a `Token`
both documents and reads its parameter.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from werkzeug.datastructures import Headers

from gateway.errors import CONTENT_TYPE as PROBLEM
from gateway.errors import GatewayError, Unprocessable

JSON = "application/json"
HTML = "text/html"
EVENTS = "text/event-stream"
OCTETS = "application/octet-stream"
FORM = "multipart/form-data"
TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}

_ATTRIBUTE = "gateway_operation"
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """A value in the query or in a header of the request; or a header of the response, where `where` is ignored."""

    name: str
    description: str
    where: Literal["query", "header"] = "query"
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    example: Any = None
    required: bool = False


def always(name: str, description: str) -> Parameter:
    """A header that every such response has."""
    return Parameter(name, description, required=True)


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

        :raises Unprocessable: it is not a number, or out of its range.
        """
        text = query.get(self.name)
        if text is None:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and self.least <= int(text) <= self.most):
            raise Unprocessable(f"{self.name} is a number from {self.least} to {self.most}.", field=self.name)
        return int(text)

    @property
    def parameter(self) -> Parameter:
        """Its description in the document."""
        schema = {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}
        return Parameter(self.name, self.description, schema=schema)


@dataclass(frozen=True)
class Token:
    """A header of the request, or a value in its query, that must match `form`, a regular expression."""

    name: str
    description: str
    form: str
    where: Literal["query", "header"] = "header"

    def read(self, values: Headers | Mapping[str, str]) -> str | None:
        """The value among the headers or in the query, or None without one.

        :raises Unprocessable: it does not match.
        """
        value = values.get(self.name)
        if value is not None and not re.fullmatch(self.form, value):
            raise Unprocessable(f"{self.name} must be {self.description}", field=self.name)
        return value

    @property
    def parameter(self) -> Parameter:
        """Its description in the document."""
        schema = {"type": "string", "pattern": f"^(?:{self.form})$"}
        return Parameter(self.name, self.description, self.where, schema)


@dataclass(frozen=True)
class Content:
    """A body: its media type, and a `model` that pydantic understands or a JSON `schema`."""

    media_type: str = JSON
    model: Any = None
    schema: Mapping[str, Any] | None = None
    example: Any = None


def stream_events(names: tuple[str, ...], data: Mapping[str, Any], example: str) -> Content:
    """A stream of server-sent events; the schema is that of one event, like `itemSchema` of OpenAPI 3.2."""
    json = {"type": "string", "contentMediaType": JSON, "contentSchema": data}
    properties = {"id": TEXT, "event": {"enum": list(names)}, "data": json}
    return Content(EVENTS, schema={"type": "object", "properties": properties, "required": ["data"]}, example=example)


@dataclass(frozen=True)
class ResponseSpec:
    """A possible response. `links`: the arguments of other views in this response, as expressions of OpenAPI."""

    status: int
    description: str
    contents: tuple[Content, ...] = ()
    headers: tuple[Parameter, ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """What a view takes and returns. `variables` describes the variable parts of the path.

    `errors` are those of the view itself, in the media type `errors_as`.
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


def describes(operation: Operation) -> Callable[[View], View]:
    """Attach an operation to a view, as the decorator below that of its route."""

    def note(view: View) -> View:
        view.__dict__[_ATTRIBUTE] = operation
        return view

    return note


def find_operation(view: Callable[..., Any]) -> Operation | None:
    """The operation of a view, if it has one."""
    found = getattr(view, _ATTRIBUTE, None)
    return found if isinstance(found, Operation) else None
