"""The one shape of errors."""

import httpx
import pytest

import gateway.errors
from gateway.errors import CONTENT_TYPE, GatewayError, problem

pytestmark = pytest.mark.anyio


def all_errors(base: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    """Every error class there is."""
    return [base, *(error for child in base.__subclasses__() for error in all_errors(child))]


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.__name__)
def test_tree(error: type[GatewayError]) -> None:
    """Every error stands in the tree at the head of the module, with its status and its word."""
    lines = [line for line in (gateway.errors.__doc__ or "").splitlines() if error.__name__ in line.split()]
    aliases = [line for line in lines if str(error.status) in line.split() and error.code in line.split()]
    assert aliases, f"{error.__name__} {error.status} {error.code}"


def test_problem() -> None:
    """A problem has the members of RFC 9457, and beside them what helps."""
    assert problem(409, "name-taken", "There is a file of this name.", name="a.mp3") == {
        "type": "urn:gateway:problem:name-taken",
        "title": "Conflict",
        "status": 409,
        "detail": "There is a file of this name.",
        "name": "a.mp3",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PATCH", "/api/v1/tasks/", 405), ("GET", "/api/v1/tasks/x", 404),
     ("GET", "/api/v1/tasks/?limit=x", 422), ("GET", "/%00", 404), ("GET", "/api/v1/audio/?sort=x", 422)],
)  # fmt: skip
async def test_shape(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """Whatever goes wrong is told in one shape, without a traceback, a path or a version."""
    answer = await client.request(method, path)
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    assert body["type"].startswith("urn:gateway:problem:")
    assert body["title"]
    assert body["detail"]
    assert "gateway/" not in answer.text
    assert "Traceback" not in answer.text
    if status == 405:
        assert "POST" in answer.headers["Allow"]
