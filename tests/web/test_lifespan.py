"""A server that sends no lifespan events; httpx's transport for ASGI applications is one, as daphne is."""

import logging

import httpx
import pytest

from gateway.factory import create_app
from gateway.settings import Settings
from gateway.web.lifespan import LACKING

pytestmark = pytest.mark.anyio


async def test_no_lifespan(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Every request is 503 in words, the health check too, and the log has one line."""
    transport = httpx.ASGITransport(create_app(settings))  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for path in ("/healthz", "/api/v1/audio/", "/api/v1/tasks/"):
                answer = await client.get(path)
                assert (answer.status_code, "uvicorn" in answer.json()["detail"]) == (503, True)
    assert [record.message for record in caplog.records] == [LACKING]
