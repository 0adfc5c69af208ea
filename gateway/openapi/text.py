"""An OpenAPI document in words, for the page /docs: types, links, commands. Pure."""

import json
import re
from collections.abc import Iterator
from shlex import quote
from typing import Any
from urllib.parse import quote as quote_url
from urllib.parse import urlencode

from markupsafe import Markup, escape

from .operations import FORM, JSON

Object = dict[str, Any]
_CODE = re.compile("`([^`]+)`")
_FIRST = ("tasks", "audio", "uploads", "operations")
"""Groups of operations; the pages and their files come after these."""
_EXAMPLE_ID = "5f0c1a52-8f6e-4a0c-9b0e-3c3ad6a1f8f4"


def mark(text: str) -> Markup:
    """A text as HTML, with backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def list_tags(document: Object) -> list[str]:
    """The groups of operations, those that most people look for first."""
    names = [tag["name"] for tag in document["tags"]]
    return sorted(names, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))


def list_operations(document: Object, tag: str) -> Iterator[tuple[str, str, Object]]:
    """(method, path, operation) of one tag, without the HEAD that goes with a GET; paths that name the tag first."""
    for path in sorted(document["paths"], key=lambda path: f"/{tag}/" not in path):
        methods = document["paths"][path]
        for method, operation in methods.items():
            if tag in operation["tags"] and not (method == "head" and "get" in methods):
                yield method.upper(), path, operation


def name_type(schema: Object | None) -> Markup:
    """The type that a schema describes, in a few words, with links to the schemas that have a name."""
    if not schema:
        return Markup("anything")
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return Markup(" or ").join(map(name_type, schema[union]))
    if schema.get("type") == "array":
        return Markup("list of {}").format(name_type(schema.get("items")))
    name = str(schema.get("type", "anything"))
    words = {"binary": "bytes", "uuid": "UUID", "date-time": "time (RFC 3339)"}.get(schema.get("format", ""), name)
    if "maximum" in schema:
        words += f", {schema.get('minimum')} to {schema['maximum']}"
    if "default" in schema:
        words += f", {schema['default']} by default"
    return escape(words)


def write_json(value: Any) -> str:
    """An example of a body: indented JSON, or text as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def write_command(server: str, method: str, path: str, operation: Object) -> str:
    """A curl command that makes this call to `server`."""
    parameters = operation.get("parameters", [])
    examples = {(given["in"], given["name"]): given["example"] for given in parameters if "example" in given}
    for given in parameters:
        if given["in"] == "path":
            value = str(examples.get(("path", given["name"]), _EXAMPLE_ID))
            path = path.replace(f"{{{given['name']}}}", quote_url(value))
    query = {name: value for (where, name), value in examples.items() if where == "query"}
    headers = {name: value for (where, name), value in examples.items() if where == "header"}
    url = server.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
    words = ["curl", *_choose_flags(method, operation)]
    words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./-]+", word) else quote(word) for word in [*words, url])


def _choose_flags(method: str, operation: Object) -> list[str]:
    """What curl needs for the method and the body."""
    contents = operation.get("requestBody", {}).get("content", {})
    if FORM in contents:
        return ["-F", "file=@prelude.mp3"]
    if JSON in contents:
        flags = [] if method == "POST" else ["-X", method]
        return [*flags, "--json", json.dumps(contents[JSON]["example"])]
    if method == "PUT":
        return ["-T", "prelude.mp3"]
    flags = {"GET": [], "HEAD": ["-I"]}.get(method, ["-X", method])
    if contents and operation["requestBody"]["required"]:
        return [*flags, "-H", f"Content-Type: {next(iter(contents))}", "--data-binary", "@prelude.mp3"]
    return flags
