"""The page of URL checks: a form, a task as it goes on, its URLs by hundreds; it works without JavaScript.

It is in the reader's language. There is no session and no cookie: what was left out of a pasted text is in the query of
the redirect, as numbers. A part of the query that cannot be read is ignored.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Any, cast
from uuid import UUID

from quart import Blueprint, Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from gateway.datastore.client import RedisFull, RedisUnavailable
from gateway.errors import BodyTooLarge, GatewayError, NotFound, Unprocessable
from gateway.openapi.operations import describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.frame import answer_page
from gateway.web.i18n import Translator, choose_translator
from gateway.web.static_files import add_static

from . import chips, page_operations, pictures, progress, shown
from .cache import Cache
from .models import MAX_BODY_BYTES, MAX_URLS, Domain, NewTask, Task, TaskStatus
from .operations import read_selection
from .pasted import PastedForm, read_form
from .queue import QueueFull
from .results.overview import read_overview
from .results.selection import Selection, name_class
from .store import Store
from .words import RUSSIAN

PAGE_ROWS = 100
RECENT_TASKS = 8
REFRESH_S = 2
"""How often a reader without scripts sees a running task anew."""
TOLD_LINES = 20
"""So many lines that cannot be read are told by their numbers."""
_SORTS = {"sent": "#", "code": "Code", "url": "URL", "time": "Time"}


def blueprint(store: Store, cache: Cache, *, task_ttl_s: int, lookups: Mapping[str, int]) -> Blueprint:
    """The routes of the page. `lookups` says how many URLs of tasks were in the cache: hit, miss, joined."""
    views = Blueprint("tasks_page", __name__, template_folder="templates")
    add_static(views, "/static/tasks")
    page = _Page(store, cache, task_ttl_s, lookups)

    @views.get("/tasks", strict_slashes=False)
    @describes(page_operations.GET_PAGE)
    async def get_page() -> Response:
        return await page.show_start(_find_words())

    @views.post("/tasks", strict_slashes=False)
    @describes(page_operations.POST_PAGE)
    async def post_page() -> ResponseReturnValue:
        words, form = _find_words(), PastedForm()
        try:
            body = await cast(StreamedRequest, request).read_body(MAX_BODY_BYTES)
            form = await read_form(body, request.headers.get("Content-Type", ""))
            _check_urls(form.found.urls, words)
            task = await store.add_task(NewTask(urls=form.found.urls, follow_redirects=form.follow))
        except GatewayError as error:
            return await page.show_start(words, error, form)
        unread = ".".join(map(str, form.found.unreadable[:TOLD_LINES])) or None
        more = len(form.found.unreadable[TOLD_LINES:]) or None
        return _go_to(task.id, twice=form.found.doubles or None, unread=unread, more=more)

    @views.get("/tasks/<uuid:identity>", strict_slashes=False)
    @describes(page_operations.GET_TASK_PAGE)
    async def get_task_page(identity: UUID) -> Response:
        return await page.show_task(identity, _find_words())

    @views.post("/tasks/<uuid:identity>/cancel", strict_slashes=False)
    @describes(page_operations.CANCEL)
    async def cancel_task(identity: UUID) -> ResponseReturnValue:
        try:
            await store.cancel_task(identity)
        except GatewayError as error:
            return await page.show_task(identity, _find_words(), error)
        return _go_to(identity)

    @views.post("/tasks/<uuid:identity>/recheck", strict_slashes=False)
    @describes(page_operations.RECHECK)
    async def recheck_task(identity: UUID) -> ResponseReturnValue:
        try:
            selection = read_selection(request.args, show="bad")
            task = await store.add_task(await store.read_again(identity, selection))
        except GatewayError as error:
            return await page.show_task(identity, _find_words(), error)
        return _go_to(task.id)

    return views


class _Page:
    """Renders the page: without a task, with one, or with an error in place of it."""

    def __init__(self, store: Store, cache: Cache, task_ttl_s: int, lookups: Mapping[str, int]) -> None:
        self._store = store
        self._cache = cache
        self._task_ttl_s = task_ttl_s
        self._lookups = lookups

    async def show_start(
        self, words: Translator, error: GatewayError | None = None, form: PastedForm | None = None
    ) -> Response:
        """The page without a task, with what was pasted if it was refused."""
        domains = list[Domain]()
        try:
            domains = await self._cache.list_domains(pictures.TOP_DOMAINS)
        except GatewayError as away:
            error = error or away
        asked = sum(self._lookups.values())
        cached_percent = round(100 * self._lookups["hit"] / asked) if asked else None
        return await self._answer(
            words, error, form=form or PastedForm(), domains=domains, cached_percent=cached_percent
        )

    async def show_task(self, identity: UUID, words: Translator, error: GatewayError | None = None) -> Response:
        """The page of a task, or in its place why it cannot be shown."""
        try:
            task = await self._store.read_task(identity)
            table = await self._store.probes.read(identity)
        except GatewayError as refused:
            return await self._answer(words, refused, identity=identity)
        running = task.status is TaskStatus.RUNNING
        selection = _read_selection()
        order = selection if selection.sort or not running else replace(selection, sort="bad")
        places = await order.find_places(table)
        pages = max(1, ceil(len(places) / PAGE_ROWS))
        number = min(max(request.args.get("page", 1, type=int), 1), pages)
        return await self._answer(
            words,
            error,
            identity=identity,
            task=task,
            selection=selection,
            matching=len(places),
            first=(number - 1) * PAGE_ROWS,
            number=number,
            pages=pages,
            probes=table.list_probes(places[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]),
            notes=_read_notes(words),
            **pictures.draw_task(task, await read_overview(table), words),
        )

    async def _answer(self, words: Translator, error: GatewayError | None, **values: Any) -> Response:
        recent = list[Task]()
        try:
            recent = await self._store.recent.list_tasks(0, RECENT_TASKS)
        except GatewayError as away:
            error = error or away
        task, now = values.get("task"), datetime.now(UTC)
        running = task is not None and task.status is TaskStatus.RUNNING
        return await answer_page(
            "tasks.html",
            words,
            status=error.status if error else 200,
            headers=error.headers if error else {},
            recent=recent,
            now=now,
            refusal=_describe_error(error, words) if error else None,
            missing=isinstance(error, NotFound),
            kept=shown.show_span(words, self._task_ttl_s),
            refresh_s=REFRESH_S if running else error.retry_after_s if error and request.method == "GET" else None,
            page_rows=PAGE_ROWS,
            limit_bytes=MAX_BODY_BYTES,
            limit_urls=MAX_URLS,
            sorts=_SORTS,
            chips=chips,
            pictures=pictures,
            progress=progress,
            shown=shown,
            name_class=name_class,
            locate=_locate,
            **values,
        )


def _find_words() -> Translator:
    return choose_translator(request.accept_languages, RUSSIAN)


def _go_to(identity: UUID, **query: Any) -> ResponseReturnValue:
    return redirect(url_for("tasks_page.get_task_page", identity=identity, **query), 303)


def _check_urls(urls: list[str], words: Translator) -> None:
    """Refuse what cannot be a task.

    :raises Unprocessable: there are no URLs, or too many; it is in the language of the reader.
    """
    if not urls:
        raise Unprocessable(words("There is no URL in this text."))
    if len(urls) > MAX_URLS:
        figures = {"n": words.figure(len(urls)), "most": words.figure(MAX_URLS), "parts": ceil(len(urls) / MAX_URLS)}
        raise Unprocessable(
            words("There are {n} URLs. A task has at most {most}: paste them in {parts} parts.", **figures)
        )


def _read_selection() -> Selection:
    try:
        return read_selection(request.args)
    except Unprocessable:
        return Selection(query=request.args.get("q", ""))


def _locate(identity: UUID, selection: Selection, **changes: Any) -> str:
    """The address of a task with this selection, but for `changes`; what is empty is left out."""
    query = {"show": selection.show, "q": selection.query, "sort": selection.sort} | changes
    return url_for("tasks_page.get_task_page", identity=identity, **{k: v for k, v in query.items() if v})


def _read_notes(words: Translator) -> list[str]:
    """What was left out of the text that this task was pasted from."""
    notes = list[str]()
    twice, more = request.args.get("twice", 0, type=int), request.args.get("more", 0, type=int)
    if 0 < twice < MAX_BODY_BYTES:
        notes.append(words.count(twice, "{n} repeat is left out|{n} repeats are left out"))
    with suppress(ValueError):
        lines = [int(line[:9]) for line in request.args.get("unread", "").split(".")[:TOLD_LINES]]
        said = ", ".join(map(words.figure, lines)) + (" …" if more else "")
        count = len(lines) + max(0, min(more, MAX_BODY_BYTES))
        notes.append(words.count(count, "{n} line cannot be read|{n} lines cannot be read") + f": {said}")
    return notes


def _describe_error(error: GatewayError, words: Translator) -> str:
    if isinstance(error, QueueFull):
        return words("The queue is full for now. Try again in {n} s.", n=error.retry_after_s or 1)
    if isinstance(error, BodyTooLarge):
        return words("This is too large: {size} at most.", size=words.size(MAX_BODY_BYTES))
    if isinstance(error, RedisFull):
        return words("Redis has no memory left for another task.")
    if isinstance(error, RedisUnavailable):
        return words("Redis is away for now. What was sent before is not lost.")
    return words(error.detail)
