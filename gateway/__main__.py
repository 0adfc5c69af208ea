"""The command `gateway`, also `python -m gateway`: serves the application by hypercorn with the packaged settings."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from hypercorn.config import Config
from hypercorn.run import run

from credentials import __version__

from .process.logs import escape_text
from .settings import read_settings

CONFIG_NAME = "hypercorn.toml"
"""It is in the package of a wheel, and beside the package in a clone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. The exit code: 0, 1 if it cannot start, 2 for a wrong command line."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:  # closed: the event loop would take its number
            os.open(os.devnull, os.O_RDWR)
    options = _read_options(arguments)
    config = Config.from_toml(_find_config())
    config.application_path = "gateway:app"
    host = f"[{options.host}]" if ":" in options.host else options.host
    config.bind = [f"{host}:{options.port}"]
    try:
        _open_sockets(config)
    except (OSError, ValueError, OverflowError, TypeError) as error:  # TypeError: the host is not UTF-8
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        place = f"{escape_text(options.host)} port {options.port}"
        print(f"gateway: cannot listen on {place}: {reason}", file=sys.stderr)
        return 1
    return run(config)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("gateway", description="Serve the audio library and the task API.")
    settings = read_settings()
    parser.add_argument("--host", default=settings.host, help="name or address to listen on (default: HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, default=settings.port, help="port to listen on (default: PORT, 8888)")
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    options = parser.parse_args(arguments)
    options.host = options.host or settings.host
    if not 0 <= options.port < 65536:
        parser.error(f"there is no port {options.port}")
    return options


def _open_sockets(config: Config) -> None:
    """Open the listening sockets before hypercorn does: a bad address is then one line and not a traceback.

    :raises OSError: the host does not resolve or is not of this machine, or the port is taken.
    :raises ValueError: the host is no name and no address.
    """
    if "/" in config.bind[0]:  # hypercorn has addresses of other kinds
        raise ValueError("it is not a name or an address")
    sockets: list[socket.socket] = config.create_sockets().insecure_sockets
    config.bind = [f"fd://{listener.detach()}" for listener in sockets]


def _find_config() -> Path:
    package = Path(__file__).parent
    packaged = package / CONFIG_NAME
    return packaged if packaged.exists() else package.parent / CONFIG_NAME


if __name__ == "__main__":
    sys.exit(main())
