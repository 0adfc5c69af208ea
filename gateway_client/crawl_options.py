"""The command line of crawl.py: its parser, and what its values mean for tasks and for what is printed."""

import argparse
from math import inf

from .acceptance import Acceptance, parse_codes, read_baseline
from .options import add_connection_options, add_version, make_parser
from .reports import FORMATS

MAX_RETRIES = 10
EXAMPLES = """\
  $ %(prog)s -L https://example.com/ https://example.org/
  $ %(prog)s --only bad -f README.md
  $ %(prog)s --sitemap https://example.com/sitemap.xml --format csv > codes.csv
  $ %(prog)s --format json -f urls.txt > known.json
  $ %(prog)s --fail --baseline known.json -f urls.txt
"""


def make_crawl_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    failure = "the server refused something, or with --fail a code was not good"
    parser = make_parser("HTTP codes of URLs, asked for by a gateway.", EXAMPLES, failure)
    parser.add_argument("urls", nargs="*", metavar="URL", help="URL to check; - reads standard input")
    parser.add_argument(
        "-f", "--file", dest="files", metavar="FILE", action="append", default=[],
        help="read the URLs of a list, text, Markdown, HTML, CSV or sitemap file, packed by gzip or not",
    )  # fmt: skip
    parser.add_argument(
        "--sitemap", dest="sitemaps", metavar="URL", action="append", default=[],
        help="fetch a sitemap from this machine, and check its URLs",
    )  # fmt: skip
    parser.add_argument("-L", "--location", action="store_true", help="follow redirects")
    parser.add_argument(
        "-H", "--header", dest="headers", metavar="HEADER", action="append", default=[],
        help="send this header, as 'User-Agent: me', to the hosts of the URLs",
    )  # fmt: skip
    parser.add_argument(
        "--max-age", metavar="SECONDS", type=float, help="use answers of the cache up to this age; 0 asks each URL anew"
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=int,
        help="ask a URL that fails or answers 5xx again, up to N times, 0 to 10 (1)",
    )
    parser.add_argument("--fail", action="store_true", help="exit with 1 on codes that are not good, and on 000")
    parser.add_argument(
        "--accept", metavar="CODES", default="..399", help="codes that are good, such as 200..299,403 (..399)"
    )
    parser.add_argument("--only", choices=["bad"], help="print only the URLs that are not good")
    parser.add_argument(
        "--baseline", metavar="FILE",
        help="print only what is newly bad or good again since the run that wrote this by --format json",
    )  # fmt: skip
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--format", choices=list(FORMATS), default="tsv", help="what is printed (tsv)")
    formats.add_argument("--json", action="store_true", help="print one JSON object a line: code, error, time …")
    add_connection_options(parser, "seconds to wait for a silent or restarting gateway (60)")
    add_version(parser)
    return parser


def read_task_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, object]:
    """The options of the tasks. Ends the process with 2 where a header, an age or a number cannot be."""
    options: dict[str, object] = {"follow_redirects": arguments.location}
    headers = {}
    for header in arguments.headers:
        name, colon, value = header.partition(":")
        if not name or not colon:
            parser.error("a header is written as 'Name: value'")
        headers[name] = value.strip()
    if headers:
        options["headers"] = headers
    if arguments.max_age is not None:
        if not 0 <= arguments.max_age < inf:
            parser.error("--max-age must be a number of seconds")
        options["max_age_s"] = arguments.max_age
    if arguments.retries is not None:  # a gateway of an earlier version refuses an option that it does not know
        if not 0 <= arguments.retries <= MAX_RETRIES:
            parser.error(f"--retries must be 0 to {MAX_RETRIES}")
        options["retries"] = arguments.retries
    return options


def read_acceptance(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Acceptance:
    """What the command line accepts. Ends the process with 2 where `--accept` is not a list of codes.

    :raises UsageError: the baseline cannot be read.
    """
    try:
        good = parse_codes(arguments.accept)
    except ValueError:
        parser.error("--accept must be codes and ranges such as 200..299,403")
    baseline = read_baseline(arguments.baseline, good) if arguments.baseline is not None else None
    return Acceptance(good, arguments.only == "bad", baseline)
