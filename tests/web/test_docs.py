"""The document of the API: whole, valid, and readable without anything from elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.async_api import Browser
from pydantic import SecretStr

from gateway.factory import create_app
from gateway.openapi import text as prose
from gateway.settings import Settings
from gateway.web.docs import list_methods, list_routes
from tests.audio.formats.corpus import make_wave
from tests.conftest import OpenGateway
from tests.programs import need

pytestmark = pytest.mark.anyio


def test_every_route(settings: Settings) -> None:
    """Every method of every route has its operation; one without goes into the contract of its feature."""
    app = create_app(settings)
    promised = {(route.method, route.rule) for route in list_routes(app, needs_token=False)}
    served = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in list_methods(rule)}
    assert len(served) > 30
    assert not served - promised, "undocumented: put @describes(operations.…) under the decorator of the route"


async def test_document(client: httpx.AsyncClient) -> None:
    """It is valid against the schema of OpenAPI 3.1, every answer is told, and every name is one of a function."""
    answer = await client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    OpenAPIV31SpecValidator(document).validate()
    names = [operation["operationId"] for operation in list_operations(document)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    for operation in list_operations(document):
        assert operation["summary"]
        assert all(
            parameter.get("description") or parameter["in"] == "path" for parameter in operation.get("parameters", [])
        )
        assert {"421"} <= set(operation["responses"])
        for link in (link for answer in operation["responses"].values() for link in answer.get("links", {}).values()):
            assert link["operationId"] in names


def list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All operations of a document."""
    for methods in document["paths"].values():
        yield from methods.values()


async def test_problems(client: httpx.AsyncClient) -> None:
    """A refusal says which stable words it can have, and what a write can meet beside its own."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    put = paths["/api/v1/audio/{name}"]["put"]["responses"]
    kinds = put["409"]["content"]["application/problem+json"]["schema"]["properties"]["type"]["enum"]
    assert kinds == ["urn:gateway:problem:name-taken"]
    assert "403" in put
    assert "403" not in paths["/api/v1/audio/{name}"]["get"]["responses"]
    assert "401" not in put


async def test_token(open_gateway: OpenGateway) -> None:
    """Where a token is set, the document says so, and /healthz needs none; it is given to nobody without it."""
    async with open_gateway(api_token=SecretStr("secret")) as client:
        assert (await client.get("/openapi.json")).status_code == 401
        assert (await client.get("/docs")).status_code == 401
        document = (await client.get("/openapi.json", headers={"Authorization": "Bearer secret"})).json()
    assert document["security"] == [{"bearer": []}, {"basic": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert "401" not in document["paths"]["/healthz"]["get"]["responses"]
    assert "401" in document["paths"]["/"]["get"]["responses"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_unchanged(client: httpx.AsyncClient, path: str) -> None:
    """A client that has the current state gets 304, one that wants another 412; an impossible date is ignored."""
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    endless = f"Mon, {'9' * 20} Jan 2020 00:00:00 GMT"
    for headers in ({"If-None-Match": '"other"'}, {"If-Modified-Since": endless}):
        assert (await client.get(path, headers=headers)).status_code == 200
    assert (await client.get(path, headers={"If-Match": '"other"'})).status_code == 412


@pytest.mark.slow
async def test_commands(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Every command on the page runs, and is answered as the document tells."""
    curl = need("curl")
    (tmp_path / "prelude.mp3").write_bytes(make_wave(2_000))
    document = (await client.get("/openapi.json")).json()
    for tag in document["tags"]:
        for method, path, operation in prose.list_operations(document, tag["name"]):
            command = prose.write_command(str(client.base_url), method, path, operation)
            quiet = command.replace("curl", f"{curl} -s -m 2 -o answer -w '%{{http_code}}'", 1)
            said = await anyio.run_process(quiet, cwd=tmp_path, check=False)
            assert said.stdout.decode() in operation["responses"], command


@pytest.mark.slow
@pytest.mark.browser
async def test_docs(browser: Browser, client: httpx.AsyncClient) -> None:
    """The page shows every operation and schema, breaks no policy, asks nobody else, and fits a phone."""
    document = (await client.get("/openapi.json")).json()
    page = await browser.new_page(java_script_enabled=False)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{client.base_url}/docs")
    shown = await page.locator("article").evaluate_all("articles => articles.map(article => article.id)")
    for width in (360, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    links = await page.locator("a[href^='#']").evaluate_all("links => links.map(link => link.hash.slice(1))")
    targets = await page.locator("[id]").evaluate_all("marked => marked.map(one => one.id)")
    expected = {
        operation["operationId"]
        for methods in document["paths"].values()
        for method, operation in methods.items()
        if not (method == "head" and "get" in methods)
    } | {f"schema-{name}" for name in document["components"]["schemas"]}
    assert set(shown) == expected
    assert set(links) <= set(targets)
    assert not said
    assert all(url.startswith(str(client.base_url)) for url in asked)
