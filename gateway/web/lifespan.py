"""ASGI servers that send no lifespan events, such as daphne: nothing would be started, and every request is refused.

One line of the log says so; without it audio would work, and tasks would not.
"""

import logging

from quart import Quart

from gateway.errors import Unavailable

LACKING = "this ASGI server sends no lifespan events, so nothing was started: use hypercorn, uvicorn or granian"

logger = logging.getLogger("gateway")


def require_lifespan(app: Quart) -> None:
    """Refuse each request with 503 unless the server has started `app` (ASGI, lifespan.startup)."""
    started = logged = False

    @app.before_serving
    async def note_start() -> None:
        nonlocal started
        started = True

    @app.before_request
    async def check_start() -> None:
        nonlocal logged
        if started:
            return
        if not logged:
            logged = True
            logger.error("%s", LACKING)
        raise Unavailable(f"{LACKING[0].upper()}{LACKING[1:]}.")
