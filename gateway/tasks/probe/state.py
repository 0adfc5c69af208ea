"""The state of a probe between two requests. Pure.

A probe asks its URL, follows redirects from site to site, and may have several attempts, all within one deadline. It
gives its slot back between two sites, and between two attempts.
"""

from dataclasses import dataclass, field

from gateway.tasks.models import Hop

from .request import ProbeRequest
from .urls import Site


@dataclass(slots=True)
class ProbeState:
    """Which URL of which site is asked next, and what was seen so far.

    `left_s` is what the deadline leaves for requests and pauses; holds do not count. `elapsed_s` is how long the
    requests of this attempt took, `held_s` how long all attempts waited for holds. `has_retry_after`: an answer of this
    attempt had a Retry-After.
    """

    request: ProbeRequest
    url: str
    site: Site
    left_s: float
    attempts: int = 1
    hops: list[Hop] = field(default_factory=list)
    has_retry_after: bool = False
    elapsed_s: float = 0.0
    held_s: float = 0.0

    def restart(self, site: Site, pause_s: float = 0.0) -> None:
        """Begin another attempt, after a pause; `site` is that of the request."""
        self.url, self.site = self.request.url, site
        self.left_s -= pause_s
        self.attempts += 1
        self.hops = []
        self.has_retry_after = False
        self.elapsed_s = 0.0
