"""A task that this gateway works on: what is known of it, and what of that is not saved yet. No I/O."""

import anyio

from .models import ProbeResult
from .queue import Claim
from .record import TaskCounts, TaskWork

SAVE_EVERY_S = 0.05
"""How long results gather before they are saved together."""
LOOK_EVERY_S = 2.5
"""How often a task without results is looked up, as it may be cancelled."""


class RunningTask:
    """One task; `codes` is empty before it has begun, `missing` is how many of its URLs are not known."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.scope = anyio.CancelScope()
        self.codes: list[int | None] = []
        self.counts = TaskCounts()
        self.missing = claim.total
        self.unsaved: list[ProbeResult] = []
        self._has_result = anyio.Event()
        self._is_complete = anyio.Event()

    @property
    def done(self) -> int:
        """How many URLs are known."""
        return len(self.codes) - self.missing

    @property
    def has_news(self) -> bool:
        """Whether there is something to save."""
        return bool(self.unsaved) or self.missing == 0

    def begin(self, work: TaskWork) -> None:
        """Begin with what another gateway has saved, which may be all of it."""
        self.codes = work.codes
        self.counts = work.counts
        self.missing = self.codes.count(None)

    def add_result(self, result: ProbeResult) -> None:
        """Add the result of one URL, unless it is known."""
        if self.codes[result.place] is None:
            outcome = result.outcome
            self.codes[result.place] = outcome.code
            self.counts.add(outcome.code, outcome.error, outcome.verdict)
            self.missing -= 1
            self.unsaved.append(result)
            self._has_result.set()
            if self.missing == 0:
                self._is_complete.set()

    async def wait_news(self) -> None:
        """Wait until there is something to save: `SAVE_EVERY_S` after a result, at once when all are known.

        Without a result it returns after about `LOOK_EVERY_S`.
        """
        if not self.has_news:
            with anyio.move_on_after(LOOK_EVERY_S):
                await self._has_result.wait()
        if self.missing:
            with anyio.move_on_after(SAVE_EVERY_S):
                await self._is_complete.wait()
        self._has_result = anyio.Event()
