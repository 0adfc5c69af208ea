"""What every test can have: the asyncio backend, settings of its own, a gateway that is really served."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.factory import create_app
from gateway.settings import Settings
from tests.serving import serve
from tests.target import Target

OpenGateway = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


logging.getLogger("gateway").addHandler(logging.NullHandler())  # the lines go to caplog alone


@pytest.fixture
def anyio_backend() -> str:
    """Quart and hypercorn run on asyncio."""
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for one test: a folder of its own, nothing from the environment or a .env file."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    return Settings(data_dir=tmp_path / "data", probe_targets="any", probe_timeout_s=3)


@pytest.fixture
def open_gateway(settings: Settings) -> OpenGateway:
    """`async with open_gateway(per_host=2) as client`: a gateway served over HTTP, and a client of it."""

    @asynccontextmanager
    async def open_one(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings.model_copy(update=changes))
        async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=8, trust_env=False) as client:
            yield client

    return open_one


@pytest.fixture
async def client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with the settings of the test."""
    async with open_gateway() as client:
        yield client


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A site to be probed, with every behaviour that sites have."""
    async with Target() as target:
        yield target
