"""The access log: one line for each request that has ended."""

import logging

from gateway.web.request_context import RequestContext

logger = logging.getLogger("gateway.access")


def log_access(context: RequestContext) -> None:
    """Log one ended request; line ends and terminal sequences in it are escaped."""
    target = context.target.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', "%22")
    duration_ms = round(context.ended_s * 1000, 1)
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
        "duration_ms": duration_ms,
        "user_agent": context.user_agent,
    }
    logger.info(
        '%s "%s %s" %d %d %.1f ms%s',
        context.client,
        context.method,
        target,
        context.status,
        context.sent_bytes,
        duration_ms,
        "" if context.whole else ", cut short",
        extra={"fields": fields},
    )
