"""Which options of redis-py the query of REDIS_URL may have, and which values.

Others change what the gateway reads (`decode_responses`, `protocol`), or are objects that no text can be.
"""

from collections.abc import Mapping
from typing import Any

MAX_S = 86_400
_ANY = frozenset({"username", "password", "client_name", "socket_keepalive", "sentinel_username", "sentinel_password"})
_FAMILIES = ("ssl_", "sentinel_ssl_")
_LEAST = {"db": 0, "max_connections": 1, "socket_read_size": 1, "health_check_interval": 0}
_SECONDS = frozenset({"socket_timeout", "socket_connect_timeout"})


def check_options(options: Mapping[str, Any]) -> None:
    """Look at options as redis-py has read them.

    :raises ValueError: one is not for this URL, or has a value that cannot be; the text has no value but of numbers.
    """
    for name, value in options.items():
        if name in _SECONDS:
            if not 0 < value <= MAX_S:  # nan too
                raise ValueError(f"{name} is {value:g}, and must be over 0 and at most {MAX_S} seconds")
        elif name in _LEAST:
            if value < _LEAST[name]:
                raise ValueError(f"{name} is {value}, and must be {_LEAST[name]} or more")
        elif name not in _ANY and not name.startswith(_FAMILIES):
            raise ValueError(f"{name} is no option that the gateway takes")
