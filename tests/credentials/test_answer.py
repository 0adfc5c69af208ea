"""The application itself, under any WSGI server: species in, credentials out."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

import credentials

SPECIES = [
    ("Cyberman", "John Lumic"),
    ("Dalek", "Davros"),
    ("Judoon", "Shadow Proclamation Convention 15 Enforcer"),
    ("Human", "Leonardo da Vinci"),
    ("Ood", "Klineman Halpen"),
    ("Silence", "Tasha Lem"),
    ("Slitheen", "Coca-Cola salesman"),
    ("Sontaran", "General Staal"),
    ("Time%20Lord", "Rassilon"),
    ("Weeping%20Angel", "The Division Representative"),
    ("Zygon", "Broton"),
]


def call(method: str = "GET", query: str = "", path: str = "/") -> tuple[str, dict[str, str], bytes]:
    """Status, headers and body of one call, checked by wsgiref.validate on both sides."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path}
    environ["QUERY_STRING"] = query
    setup_testing_defaults(environ)
    answered: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None, /) -> Any:
        answered[:] = [status, dict(headers)]

    result = validator(credentials.application)(environ, start_response)
    body = b"".join(result)
    result.close()  # type: ignore[attr-defined]  # the validator's own iterator
    return answered[0], answered[1], body


@pytest.mark.parametrize(("species", "name"), SPECIES)
def test_a_known_species_is_answered_with_its_credentials(species: str, name: str) -> None:
    """Every species of the table gives 200 and exactly the JSON of the specification."""
    status, headers, body = call(query=f"species={species}")
    assert status == "200 OK"
    assert headers == {"Content-Type": "application/json", "Content-Length": str(len(body))}
    assert body == b'{"credentials": "%b"}' % name.encode()
    assert body.decode() == json.dumps({"credentials": name})


def test_the_table_is_the_specified_one() -> None:
    """No species is missing and none has been added."""
    assert len(credentials.CREDENTIALS) == len(SPECIES)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("species=Time+Lord", "200 OK"),
        ("species=%54ime%20Lord", "200 OK"),
        ("a=b&species=Dalek&c", "200 OK"),
        ("species=Dalek&species=Nobody", "200 OK"),
        ("species=Nobody&species=Dalek", "404 Not Found"),
        ("species=&species=Dalek", "404 Not Found"),
        ("", "404 Not Found"),
        ("species", "404 Not Found"),
        ("species=", "404 Not Found"),
        ("species=dalek", "404 Not Found"),
        ("species=DALEK", "404 Not Found"),
        ("species=%20Dalek", "404 Not Found"),
        ("species=Dalek%20", "404 Not Found"),
        ("species=Time%2520Lord", "404 Not Found"),
        ("species=Time", "404 Not Found"),
        ("Species=Dalek", "404 Not Found"),
        ("species=Unknown", "404 Not Found"),
        ("species=%ff%fe", "404 Not Found"),
        ("species=D\u00e1lek", "404 Not Found"),
        ("species=%", "404 Not Found"),
        ("species=Dalek%00", "404 Not Found"),
        ("species=Dalek;a=b", "404 Not Found"),
        ("&" * 8000, "404 Not Found"),
    ],
)
def test_a_query_is_read_exactly(query: str, status: str) -> None:
    """Case, spaces, repetition and broken encodings are decided as the docstring says."""
    answered, _, body = call(query=query)
    assert answered == status
    known = b"Davros" if "Dalek" in query else b"Rassilon"
    assert body == b'{"credentials": "%b"}' % (known if status == "200 OK" else b"Unknown")


@pytest.mark.parametrize("path", ["/x", "//", "/index.html", "/\x00", "/\r\nX: y"])
def test_another_path_is_not_found(path: str) -> None:
    """404 with the same JSON shape, whatever the method and the species."""
    for method in ("GET", "POST", "OPTIONS"):
        status, _, body = call(method, "species=Dalek", path)
        assert (status, body) == ("404 Not Found", b'{"credentials": "Unknown"}')


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_another_method_is_told_what_is_allowed(method: str) -> None:
    """405 with Allow and the same JSON shape."""
    status, headers, body = call(method, "species=Dalek")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD, OPTIONS")
    assert body == b'{"credentials": "Unknown"}'


def test_options_says_what_is_allowed() -> None:
    """OPTIONS has Allow and no body, for the root and for the server as a whole."""
    for path in ("/", ""):
        assert call("OPTIONS", path=path) == ("204 No Content", {"Allow": "GET, HEAD, OPTIONS"}, b"")


def test_head_has_the_head_of_get() -> None:
    """The same status and headers, and no body."""
    status, headers, body = call("GET", "species=Ood")
    assert call("HEAD", "species=Ood") == (status, headers, b"")
    assert body


def test_it_is_the_same_application_under_both_names() -> None:
    """`app` and `application` are what WSGI servers look for."""
    assert credentials.app is credentials.application


class Silent(WSGIRequestHandler):
    """wsgiref's handler without its log."""

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def test_it_runs_under_wsgiref() -> None:
    """The standard library's server serves it unchanged."""
    with make_server("127.0.0.1", 0, validator(credentials.app), handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            with urllib.request.urlopen(f"{url}?species=Weeping%20Angel", timeout=5) as answer:
                assert answer.read() == b'{"credentials": "The Division Representative"}'
            with pytest.raises(urllib.error.HTTPError, match="404") as caught:
                urllib.request.urlopen(url, timeout=5)
            with caught.value as unknown:
                assert unknown.read() == b'{"credentials": "Unknown"}'
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("absent", "body"), [("PATH_INFO", b"Davros"), ("QUERY_STRING", b"Unknown")])
def test_keys_that_may_be_absent(absent: str, body: bytes) -> None:
    """A server may leave out an empty path or query (PEP 3333)."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "species=Dalek"}
    del environ[absent]
    assert list(credentials.application(environ, lambda *_: lambda _: None)) == [b'{"credentials": "%b"}' % body]
