"""The command line of the task API: prints `code<TAB>url` for every URL, in the order given.

The gateway does the probing; this program sends tasks, polls them and prints. Lines go to stdout; reasons, progress and
errors go to stderr.
"""

import argparse
import json
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

from .api import ApiError, GatewayApi, Refused, Silent, Unreachable
from .inputs import TaskBatch, Url, pack_tasks, read_urls
from .options import add_connection_options, add_version, check_timeout, read_defaults
from .terminal import Exit, ProgressBar, escape_url, name_program, print_error, run_command

TASKS_PATH = "/api/v1/tasks/"
TASKS_AT_ONCE = 4
POLL_S = 1.0
"""The server is never polled more often than this, however many tasks there are."""
POLL_WAIT_S = 5
PROBES_AT_ONCE = 1000
STRANGER_S = 10.0
"""How long a server is waited for that took a connection but has never answered: it may not be a gateway."""
CANCEL_S = 1.0
"""How long the end of the run waits for its tasks to be cancelled."""
SHOWN_CHARS = 500
NOT_URLS = frozenset({"invalid_url", "unsupported_scheme"})
"""Errors of the text itself: told with the file and the line."""


@dataclass
class SentTask:
    """One task on the server: its URLs, how many of them were done at the last poll, how many lines are printed."""

    urls: Sequence[Url]
    path: str
    done: int = 0
    printed: int = 0


class PatientApi:
    """Calls that wait for a gateway which is away for a while: restarting, without Redis, or full."""

    def __init__(self, api: GatewayApi) -> None:
        self.api = api
        self._patience_s = 0.0  # a server that was never there is not waited for
        self._told = False
        self._polled_at = 0.0

    def poll_json(self, path: str, **request: Any) -> dict[str, Any]:
        """As `call_json` of a GET, at most once in `POLL_S`."""
        return self.call_json("GET", path, is_poll=True, **request)

    def call_json(self, method: str, path: str, *, is_poll: bool = False, **request: Any) -> dict[str, Any]:
        """As `GatewayApi.call_json`, repeated after failures that may pass, for as long as the timeout."""
        deadline = 0.0
        while True:
            if is_poll:
                time.sleep(max(0.0, self._polled_at + POLL_S - time.monotonic()))
                self._polled_at = time.monotonic()
            try:
                answer = self.api.call_json(method, path, **request)
            except ApiError as error:
                if not error.may_pass:
                    raise
                self._note_failure(error)
                now = time.monotonic()
                deadline = deadline or now + self._patience_s
                if now >= deadline:
                    raise
                if not self._told:
                    print_error(f"{name_program()}: {error}; trying again for {self._patience_s:g} s")
                self._told = True
                time.sleep(min(max(error.retry_after_s, 1), deadline - now))
            else:
                self._patience_s = self.api.timeout_s
                self._told = False
                return answer

    def _note_failure(self, error: ApiError) -> None:
        if isinstance(error, Refused):
            self._patience_s = self.api.timeout_s
        elif not isinstance(error, Unreachable | Silent):
            self._patience_s = max(self._patience_s, min(self.api.timeout_s, STRANGER_S))


class Crawl:
    """All URLs of one run: a few tasks are running, and the oldest is polled and printed.

    `is_bad` is set once a URL gave no answer, or a code of 400 and over.
    """

    def __init__(self, api: GatewayApi, bar: ProgressBar, *, as_json: bool) -> None:
        self.is_bad = False
        self._api = PatientApi(api)
        self._bar = bar
        self._as_json = as_json
        self._running: deque[SentTask] = deque()
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
        finally:
            self._bar.hide()
            self._cancel_tasks()

    def _start_task(self, batch: TaskBatch) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": os.urandom(16).hex()}
        state = self._api.call_json("POST", TASKS_PATH, content=batch.body, headers=headers)
        self._running.append(SentTask(batch.urls, TASKS_PATH + quote(str(state.get("id")), safe="")))

    def _cancel_tasks(self) -> None:
        deadline = time.monotonic() + CANCEL_S
        for task in self._running:
            left_s = deadline - time.monotonic()
            if left_s > 0:
                with suppress(ApiError):
                    self._api.api.call_json("DELETE", task.path, timeout_s=left_s)

    def _finish_oldest(self) -> None:
        task = self._running[0]
        while (state := self._poll(task)).get("status") == "running":
            self._print_known(task)
            self._bar.show(self._finished + sum(each.done for each in self._running))
            behind = [each for each in self._running if each.done < len(each.urls)][1:]
            if self._bar.on and behind:  # for their share of the bar
                self._poll(min(behind, key=lambda each: each.done))
        self._running.popleft()
        self._finished += len(task.urls)
        codes = state.get("result")
        if self._as_json or not isinstance(codes, list):
            self._print_known(task)
        else:
            self._print_result(task, codes)
        if task.printed < len(task.urls):
            raise Refused("the task was cancelled") if state.get("status") == "cancelled" else self._nonsense()

    def _poll(self, task: SentTask) -> dict[str, Any]:
        wait_s = 1 if self._bar.on else POLL_WAIT_S
        timeout_s = self._api.api.timeout_s + wait_s
        state = self._api.poll_json(task.path, headers={"Prefer": f"wait={wait_s}"}, timeout_s=timeout_s)
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
            raise self._nonsense()
        return probes

    def _print(self, task: SentTask, probes: list[dict[str, Any]]) -> None:
        urls = task.urls[task.printed : task.printed + len(probes)]
        codes = [probe.get("code") for probe in probes]
        if len(urls) < len(codes):
            raise self._nonsense()
        lines: list[str] = []
        for url, code, probe in zip(urls, codes, probes, strict=True):
            if type(code) is not int or not 0 <= code <= 999:
                raise self._nonsense()
            self.is_bad = self.is_bad or code == 0 or code >= 400
            lines.append(json.dumps(probe) if self._as_json else f"{code:03d}\t{escape_url(url.text)}")
        task.printed += len(codes)
        self._bar.hide()
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        for url, probe in zip(urls, probes, strict=True):
            if probe["code"] == 0 and (not self._as_json or is_misplaced(url, probe)):  # JSON has all but the place
                print_error(describe_failure(url, probe))

    def _nonsense(self) -> ApiError:
        return self._api.api.nonsense()


def describe_failure(url: Url, probe: dict[str, Any]) -> str:
    """One line for a URL without an answer, with the reason; for a text that is not a URL with its file and line."""
    text = escape_url(url.text[:SHOWN_CHARS]) + ("…" if len(url.text) > SHOWN_CHARS else "")
    reason = escape_url(str(probe.get("detail") or probe.get("error") or "no answer"))[:SHOWN_CHARS]
    return f"{f'{url.place}: ' if is_misplaced(url, probe) else ''}{text}: {reason}"


def is_misplaced(url: Url, probe: dict[str, Any]) -> bool:
    """Whether a line of a file is not a URL at all."""
    return bool(url.place) and probe.get("error") in NOT_URLS


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(description="HTTP codes of URLs, asked for by a gateway.")
    parser.add_argument("urls", nargs="*", metavar="URL", help="URL to check; - reads standard input")
    parser.add_argument("-f", "--file", dest="files", action="append", default=[], help="file of URLs, one a line")
    parser.add_argument("-L", "--location", action="store_true", help="follow redirects")
    parser.add_argument("--fail", action="store_true", help="exit with 1 on codes of 400 and over, and on 000")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line: code, error, time …")
    add_connection_options(parser, "seconds to wait for a silent or restarting gateway (60)")
    add_version(parser)
    return parser


def run() -> int:
    """Read the command line, have the URLs probed and print what became of them."""
    parser = make_parser()
    parser.set_defaults(**read_defaults())
    arguments = parser.parse_args()
    if not arguments.urls and not arguments.files:
        parser.error("no URL: give some, or -f FILE, or - for standard input")
    check_timeout(parser, arguments.timeout)
    urls = read_urls(arguments.urls, arguments.files)
    api = GatewayApi(arguments.server, arguments.token, arguments.timeout)
    crawl = Crawl(api, ProgressBar(len(urls), transient=True), as_json=arguments.json)
    with api.client:
        crawl.run(pack_tasks(urls, follow_redirects=arguments.location))
    return Exit.REFUSED if arguments.fail and crawl.is_bad else Exit.DONE


def main() -> int:
    """The exit code of the command line."""
    return run_command(run)
