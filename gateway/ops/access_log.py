"""The access log: one line for each request that has ended."""

import logging

from gateway.web.request_context import RequestContext

access = logging.getLogger("gateway.access")


def log_access(context: RequestContext) -> None:
    """One line for an context that has ended; nothing in it can end a line or move a terminal's cursor."""
    target = escape_target(context.target)
    fields = {
        "message": f"{context.method} {target} {context.status}",
        "client": context.client,
        "method": context.method,
        "target": target,
        "route": context.route or None,
        "status": context.status,
        "whole": context.whole,
        "received_bytes": context.received_bytes,
        "sent_bytes": context.sent_bytes,
        "duration_ms": round(context.ended_s * 1000, 1),
        "user_agent": context.user_agent,
    }
    access.info(
        '%s "%s %s" %d %d %.1f ms%s',
        context.client,
        context.method,
        target,
        context.status,
        context.sent_bytes,
        context.ended_s * 1000,
        "" if context.whole else ", cut short",
        extra={"fields": fields},
    )


def escape_target(target: bytes) -> str:
    """A request target as it came, made harmless."""
    return target.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', "%22")
