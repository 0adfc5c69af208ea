"""The command line of the task API: prints `code<TAB>url` for every URL, in the order given.

The gateway does the probing; this program sends tasks, polls them and prints the results. Results go to stdout;
reasons, progress and errors go to stderr.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import quote

from .acceptance import MAX_CODE, Acceptance
from .api import ApiError, Refused
from .crawl_options import make_crawl_parser, read_acceptance, read_task_options
from .inputs import TaskBatch, has_piped_input, pack_tasks, read_urls
from .links import Url
from .options import check_timeout, read_defaults
from .patience import PatientApi
from .progress_bar import ProgressBar
from .reports import FORMATS, ColouredTsv, JsonLines, Report
from .rows import Row
from .summary import Summary
from .terminal import Exit, escape_url, has_colour, print_error, run_command

TASKS_PATH = "/api/v1/tasks/"
TASKS_AT_ONCE = 4
POLL_WAIT_S = 5
PROBES_AT_ONCE = 1000
CANCEL_S = 1.0
"""How long the end of the run waits for its tasks to be cancelled, and for each call about one of unknown id."""
SHOWN_CHARS = 500


@dataclass
class SentTask:
    """One task on the server: its URLs, how many of them were done at the last poll, how many lines are printed."""

    urls: Sequence[Url]
    path: str
    done: int = 0
    printed: int = 0


class Crawl:
    """All URLs of one run: at most `TASKS_AT_ONCE` tasks run, and the oldest is polled and printed.

    `has_failed` is set once a URL is bad by `acceptance`; `summary` has the tasks that are printed.
    """

    def __init__(self, api: PatientApi, bar: ProgressBar, report: Report, acceptance: Acceptance) -> None:
        self.has_failed = False
        self.summary = Summary()
        self._api = api
        self._bar = bar
        self._report = report
        self._acceptance = acceptance
        self._running: deque[SentTask] = deque()
        self._posting: dict[str, Any] | None = None  # a task that may be on the server, its id not known yet
        self._finished = 0

    def run(self, batches: Iterator[TaskBatch]) -> None:
        """Send the tasks and print their lines. Whatever ends it, no task is left running.

        :raises ApiError: the server said no or is gone.
        :raises OSError: stdout takes no more.
        """
        try:
            for batch in batches:
                if len(self._running) == TASKS_AT_ONCE:
                    self._finish_oldest()
                self._start_task(batch)
            while self._running:
                self._finish_oldest()
            sys.stdout.write(self._report.finish())
            sys.stdout.flush()
        finally:
            self._bar.hide()
            self._cancel_tasks()

    def _start_task(self, batch: TaskBatch) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": os.urandom(16).hex()}
        self._posting = {"content": batch.body, "headers": headers}
        try:
            state = self._api.call_json("POST", TASKS_PATH, **self._posting)
            self._running.append(SentTask(batch.urls, find_path(state)))
        except Refused:
            self._posting = None
            raise
        self._posting = None

    def _cancel_tasks(self) -> None:
        deadline = time.monotonic() + CANCEL_S
        for task in self._running:
            self._cancel(task.path, deadline)
        if self._posting:  # posted again under its Idempotency-Key, it is the same task
            with suppress(ApiError):
                state = self._api.call_once("POST", TASKS_PATH, timeout_s=CANCEL_S, **self._posting)
                self._cancel(find_path(state), time.monotonic() + CANCEL_S)

    def _cancel(self, path: str, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s > 0:
            with suppress(ApiError), self._api.call("DELETE", path, timeout_s=left_s):
                pass

    def _finish_oldest(self) -> None:
        task = self._running[0]
        while (state := self._poll(task)).get("status") == "running":
            self._print_known(task)
            self._bar.show(self._finished + sum(each.done for each in self._running))
            others = [each for each in self._running if each.done < len(each.urls)][1:]
            if self._bar.on and others:  # for their share of the bar
                self._poll(min(others, key=lambda each: each.done))
        self._running.popleft()
        self._finished += len(task.urls)
        self.summary.add(len(task.urls), state.get("verdicts"))
        codes = state.get("result")
        if self._report.needs_probes or not isinstance(codes, list):
            self._print_known(task)
        else:
            self._print_result(task, codes)
        if task.printed < len(task.urls):
            raise Refused("the task was cancelled") if state.get("status") == "cancelled" else self._api.nonsense()

    def _poll(self, task: SentTask) -> dict[str, Any]:
        wait_s = 1 if self._bar.on else POLL_WAIT_S
        timeout_s = self._api.timeout_s + wait_s
        state = self._api.call_json(
            "GET", task.path, is_poll=True, headers={"Prefer": f"wait={wait_s}"}, timeout_s=timeout_s
        )
        done = state.get("done")
        task.done = done if isinstance(done, int) else 0
        return state

    def _print_known(self, task: SentTask) -> None:
        """Print what is known so far, up to the first URL that is not."""
        while task.printed < len(task.urls):
            probes = self._read_probes(task, task.printed)
            known = list(takewhile(lambda probe: probe.get("code") is not None, probes))
            self._print(task, known)
            if not known or len(known) < len(probes):
                return

    def _print_result(self, task: SentTask, codes: list[Any]) -> None:
        """Print a task that is ready. The server is asked for reasons only where a URL has no answer."""
        probes = [{"code": code} for code in codes]
        place = task.printed
        while 0 in codes[place:]:
            place = codes.index(0, place)
            reasons = self._read_probes(task, place)
            probes[place : place + len(reasons)] = reasons
            place += len(reasons) or len(codes)
        self._print(task, probes[task.printed :])

    def _read_probes(self, task: SentTask, offset: int) -> list[dict[str, Any]]:
        page = self._api.call_json("GET", f"{task.path}/probes?offset={offset}&limit={PROBES_AT_ONCE}")
        probes = page.get("probes")
        if not isinstance(probes, list) or not all(isinstance(probe, dict) for probe in probes):
            raise self._api.nonsense()
        return probes

    def _print(self, task: SentTask, probes: list[dict[str, Any]]) -> None:
        urls = task.urls[task.printed : task.printed + len(probes)]
        codes = [probe.get("code") for probe in probes]
        if len(urls) < len(codes):
            raise self._api.nonsense()
        rows: list[Row] = []
        for url, code, probe in zip(urls, codes, probes, strict=True):
            if type(code) is not int or not 0 <= code <= MAX_CODE:
                raise self._api.nonsense()
            self.has_failed = self.has_failed or self._acceptance.is_failure(url.text, code)
            if self._acceptance.is_shown(url.text, code):
                rows.append(Row(url, probe, self._acceptance.is_bad(code)))
        task.printed += len(codes)
        self._bar.hide()
        sys.stdout.write(self._report.add(rows))
        sys.stdout.flush()
        for row in filter(self._report.leaves_out, rows):
            print_error(describe_failure(row))


def find_path(state: dict[str, Any]) -> str:
    """The path of a task."""
    return TASKS_PATH + quote(str(state.get("id")), safe="")


def describe_failure(row: Row) -> str:
    """One line for a URL without an answer, with the reason; for a text that is not a URL with its file and line."""
    text = escape_url(row.url.text[:SHOWN_CHARS]) + ("…" if len(row.url.text) > SHOWN_CHARS else "")
    return f"{f'{row.url.place}: ' if row.is_not_url else ''}{text}: {row.reason[:SHOWN_CHARS]}"


def make_report(name: str, *, as_json_lines: bool) -> Report:
    """The report of a format, coloured where stdout is a terminal."""
    if as_json_lines:
        return JsonLines()
    return ColouredTsv() if name == "tsv" and has_colour(sys.stdout) else FORMATS[name]()


def run() -> int:
    """Read the command line, have the URLs probed and print what became of them."""
    parser = make_crawl_parser()
    parser.set_defaults(**read_defaults())
    arguments = parser.parse_args()
    if not arguments.urls and not arguments.files and not arguments.sitemaps:
        if not has_piped_input():
            parser.error("no URL: give some, or -f FILE, or --sitemap URL, or - for standard input")
        arguments.urls = ["-"]
    check_timeout(parser, arguments.timeout)
    acceptance = read_acceptance(parser, arguments)
    options = read_task_options(parser, arguments)
    urls = read_urls(arguments.urls, arguments.files, arguments.sitemaps, arguments.timeout)
    api = PatientApi(arguments.server, arguments.token, arguments.timeout)
    report = make_report(arguments.format, as_json_lines=arguments.json)
    crawl = Crawl(api, ProgressBar(len(urls), transient=True), report, acceptance)
    with api.client:
        crawl.run(pack_tasks(urls, options))
    if sys.stderr.isatty() and (summary := str(crawl.summary)):
        print_error(summary)
    return Exit.REFUSED if arguments.fail and crawl.has_failed else Exit.DONE


def main() -> int:
    """The exit code of the command line."""
    return run_command(run)
