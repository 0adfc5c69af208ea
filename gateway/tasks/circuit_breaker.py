"""A circuit breaker for each site: after some timeouts in a row its URLs fail at once for a while. No I/O.

Without it 1,000 URLs of a host that accepts and never answers would take 25 minutes. One port of a host says
nothing about another, which may answer.
"""

import time
from typing import NamedTuple

from gateway.tasks.probe.urls import Site

from .models import ProbeError, ProbeOutcome

MAX_TIMEOUTS = 10
"""So many in a row, of whatever URLs, open the circuit of a site."""
OPEN_S = 60.0
"""How long after the last of them the site is asked again."""
MAX_SITES = 10_000
"""Beyond this the site whose last timeout is oldest is forgotten."""


class _Timeouts(NamedTuple):
    number: int
    last: float


class CircuitBreaker:
    """Counts the timeouts in a row of each site."""

    def __init__(self) -> None:
        self._sites: dict[Site, _Timeouts] = {}

    def note(self, site: Site, outcome: ProbeOutcome | None, *, is_full_time: bool) -> None:
        """Note how a request to a site ended; None is a redirect.

        A timeout counts if the request had `is_full_time`: most of what a URL can have. Anything else closes the
        circuit.
        """
        if outcome is None or outcome.error is not ProbeError.TIMEOUT:
            self._sites.pop(site, None)
        elif is_full_time:
            number, _ = self._sites.pop(site, (0, 0.0))
            self._sites[site] = _Timeouts(number + 1, time.monotonic())
            if len(self._sites) > MAX_SITES:
                del self._sites[next(iter(self._sites))]

    def refuse(self, site: Site) -> ProbeOutcome | None:
        """The outcome of a URL whose site is not asked for now; None if it may be asked."""
        number, last = self._sites.get(site, (0, 0.0))
        if number < MAX_TIMEOUTS or time.monotonic() - last > OPEN_S:
            return None
        return ProbeOutcome(
            0, ProbeError.TIMEOUT, f"not asked: the last {number} requests to {site.origin} had no answer in time"
        )
