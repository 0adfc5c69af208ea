"""The frame of the pages: its template, its files under /static/web, and the response with a page.

A page extends `frame.html`, which has the bar, the theme, notices and the keyboard help; the comment at its head
says what a page sets. Its words are those of the frame and of its own folder.
"""

from collections.abc import Mapping
from typing import Any

from anyio import to_thread
from pydantic_core import to_json
from quart import Blueprint, Quart, Response, current_app, request
from quart.templating import Environment

from .i18n import Translator
from .static_files import add_static


class PageEnvironment(Environment):
    """Templates that are plain functions: those of Quart are coroutines, which take twice the CPU a page."""

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.is_async = False


def blueprint() -> Blueprint:
    """The template of the frame, and its files."""
    views = Blueprint("web", __name__, template_folder="templates")
    add_static(views, "/static/web")
    return views


async def compile_page(template: str) -> None:
    """Compile the templates of a page in a thread, the first time: that takes up to 100 ms."""
    environment = current_app.jinja_env
    for name in ("frame.html", template):
        await to_thread.run_sync(environment.get_template, name)


def find_site() -> str:
    """The URL of the start page as the client reaches it; `host_url` of Quart lacks IDNA 2008 and underscores."""
    return f"{request.scheme}://{request.headers.get('Host', '')}{request.root_path}/"


async def render_page(template: str, words: Translator, **values: Any) -> str:
    """The HTML of a page."""
    await compile_page(template)
    page = current_app.jinja_env.get_template(template)
    return page.render(words=words, table=to_json(words.table).decode(), **values)


async def answer_page(
    template: str, words: Translator, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """A page in the language of one reader, not cached. The template gets `values`, `words` and `table` for scripts."""
    html = await render_page(template, words, **values)
    defaults = {"Cache-Control": "no-store", "Content-Language": words.language, "Vary": "Accept-Language"}
    return Response(html, status, headers={**defaults, **(headers or {})}, mimetype="text/html")
