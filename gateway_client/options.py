"""The options that both command lines share: which gateway, with which token, how patient."""

import argparse
import os
from typing import Any

SERVER = "http://127.0.0.1:8888"
TIMEOUT_S = 60.0
_MAX_TIMEOUT_S = 1e6
EXIT_CODES = """exit codes:
  0              done
  1              %s
  2              the command line is wrong
  3              the server cannot be reached, or broke off
  129, 130, 143  ended by SIGHUP, Ctrl-C, SIGTERM
"""


def make_parser(description: str, examples: str, failure: str, **options: Any) -> argparse.ArgumentParser:
    """A parser whose help ends with examples and exit codes; `failure`: what leads to exit code 1."""
    epilog = f"examples:\n{examples}\n{EXIT_CODES % failure}"
    raw = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=description, epilog=epilog, formatter_class=raw, **options)


def add_connection_options(parser: argparse.ArgumentParser, timeout_words: str) -> None:
    """Add `--server`, `--token`, `--timeout`; `timeout_words` is the help of the last."""
    parser.add_argument("--server", metavar="URL", help=f"address of the gateway (GATEWAY_URL; {SERVER})")
    parser.add_argument("--token", help="the API_TOKEN of the gateway (API_TOKEN)")
    parser.add_argument("--timeout", type=float, metavar="S", help=timeout_words)


def read_defaults() -> dict[str, Any]:
    """The values of these options without a command line: the environment over the defaults."""
    return {
        "server": os.environ.get("GATEWAY_URL") or SERVER,
        "token": os.environ.get("API_TOKEN", ""),
        "timeout": TIMEOUT_S,
    }


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add `--version`."""
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")


class _PrintVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from credentials import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


def check_timeout(parser: argparse.ArgumentParser, timeout_s: float) -> None:
    """End the process with 2 where the timeout is not a positive number of seconds."""
    if not 0 < timeout_s < _MAX_TIMEOUT_S:
        parser.error("--timeout must be a positive number of seconds")
