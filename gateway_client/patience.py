"""Calls that wait for a gateway which is away for a while: restarting, without Redis, or full."""

import time
from typing import Any

from .api import ApiError, GatewayApi, Refused, Silent, Unreachable
from .terminal import name_program, print_error

POLL_S = 1.0
"""The server is never polled more often than this, however many tasks there are."""
STRANGER_S = 10.0
"""How long a server is waited for that took a connection but has never answered: it may not be a gateway."""


class PatientApi(GatewayApi):
    """As `GatewayApi`, but `call_json` is repeated after failures that may pass, for as long as the timeout."""

    call_once = GatewayApi.call_json
    """`call_json` without patience."""

    def __init__(self, server: str, token: str, timeout_s: float) -> None:
        super().__init__(server, token, timeout_s)
        self._patience_s = 0.0  # a server that was never there is not waited for
        self._told = False
        self._polled_at = 0.0

    def call_json(self, method: str, path: str, *, is_poll: bool = False, **request: Any) -> dict[str, Any]:
        """The JSON object of an answer; `is_poll`: asked for at most once in `POLL_S`.

        :raises ApiError: as `call`, once the patience is at its end.
        """
        deadline = 0.0
        while True:
            if is_poll:
                time.sleep(max(0.0, self._polled_at + POLL_S - time.monotonic()))
                self._polled_at = time.monotonic()
            try:
                answer = super().call_json(method, path, **request)
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
                self._patience_s = self.timeout_s
                self._told = False
                return answer

    def _note_failure(self, error: ApiError) -> None:
        if isinstance(error, Refused):
            self._patience_s = self.timeout_s
        elif not isinstance(error, Unreachable | Silent):
            self._patience_s = max(self._patience_s, min(self.timeout_s, STRANGER_S))
