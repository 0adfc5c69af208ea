"""What every test can have: the asyncio backend, settings of its own, a gateway that is really served."""

import logging
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from playwright.async_api import Browser

from gateway.factory import create_app
from gateway.settings import Settings
from tests.audio.formats.corpus import Corpus
from tests.browser import open_browser
from tests.serving import serve
from tests.target import Target
from tests.watchdog import end_watchdog, start_watchdog

OpenGateway = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

TLS = ssl.create_default_context()
"""For all clients: to read the certificates of the system takes 50 ms of CPU."""

for _field in Settings.model_fields.values():
    os.environ.pop(str(_field.validation_alias), None)
# On a busy machine a slow draw says nothing about a test.
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background job of a shell; its children would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
logging.getLogger("gateway").addHandler(logging.NullHandler())  # the lines go to caplog alone


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM ends a run as Ctrl-C does, and nothing that the tests start outlives them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        watchdog = start_watchdog()
        config.add_cleanup(lambda: end_watchdog(watchdog))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Quart and hypercorn run on asyncio."""
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for one test: a folder of its own, or that of the shared gateway; nothing from a .env file."""
    monkeypatch.chdir(tmp_path)
    if "shared_gateway" in request.fixturenames:
        shared: Settings = request.getfixturevalue("shared_gateway")[1]
        return shared
    return make_settings(tmp_path)


def make_settings(folder: Path) -> Settings:
    """Settings of a gateway with its data in `folder`."""
    return Settings(data_dir=folder / "data", probe_targets="any", probe_timeout_s=3, _env_file=None)


@asynccontextmanager
async def open_client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that takes nothing from the environment."""
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=TLS) as client:
        yield client


@pytest.fixture
def open_gateway(settings: Settings) -> OpenGateway:
    """`async with open_gateway(per_host=2) as client`: a gateway served over HTTP, and a client of it."""

    @asynccontextmanager
    async def open_one(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings.model_copy(update=changes))
        async with serve(app) as url, open_client(url) as client:
            yield client

    return open_one


@pytest.fixture(scope="module")
async def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Settings]]:
    """A gateway that the tests of a module share: its URL and its settings."""
    settings = make_settings(tmp_path_factory.mktemp("gateway"))
    async with serve(create_app(settings)) as url:
        yield url, settings


@pytest.fixture
async def shared_client(shared_gateway: tuple[str, Settings], settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway that the tests of a module share. Its folder is empty at the beginning of each."""
    empty_folder(settings.audio_dir)
    async with open_client(shared_gateway[0]) as client:
        yield client


def empty_folder(folder: Path) -> None:
    """Remove all that is in `folder`, and make it if it is not there.

    A page of the test before that is closed deletes what it was about to, at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@pytest.fixture
def client(shared_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a gateway; tests that need one of their own take `own_client`, and modules define `client` as it."""
    return shared_client


@pytest.fixture
async def own_client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that no other test uses."""
    async with open_gateway() as client:
        yield client


@pytest.fixture
def folder(settings: Settings) -> Path:
    """The audio folder of the gateway under test."""
    settings.audio_dir.mkdir(parents=True, exist_ok=True)
    return settings.audio_dir


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Audio files of every form, each made once for all processes of the run."""
    own = tmp_path_factory.getbasetemp()
    return Corpus((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "corpus")


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A site to be probed, with every behaviour that sites have."""
    async with Target() as target:
        yield target


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A Chromium that the tests of a module share."""
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """A Chromium, in which each test opens profiles of its own; they are closed at its end."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders whose modules take longest come first, so that no process of a run is left with one at the end."""
    folders = ["trials", "page"]
    items.sort(key=lambda item: [item.path.parent.name != name for name in folders])
