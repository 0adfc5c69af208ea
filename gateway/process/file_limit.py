"""How many files and sockets this process may have open: process-wide, so it stands alone."""

import resource


def raise_file_limit() -> int:
    """As many as the hard limit allows, as Go and nginx have it; how many that are.

    The soft one is often 1,024, which 1,000 idle clients use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft not in (hard, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says "unlimited" and means less
            return soft
        return hard
    return soft
