"""The command line of the audio library: upload, list, download and delete files of a gateway.

A file is sent as the raw body of a PUT, in chunks and with its exact length, so memory does not grow with it; a large
one by tus, so that a broken connection costs only what was being sent. The server decides whether a file is audio.
"""

import argparse
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from .api import ApiError, Broken, GatewayApi, Refused, Unreachable
from .options import add_connection_options, add_version, check_timeout, read_defaults
from .terminal import UNSAFE, Exit, ProgressBar, escape_text, find_reason, print_error, run_command
from .tus import ResumableUpload, read_chunks

RESUMABLE_BYTES = 16 * 1024 * 1024
"""From here on a file is sent by tus: a smaller one is sooner sent again."""


def upload_file(api: GatewayApi, name: str, arguments: argparse.Namespace) -> None:
    """Send one file under its own name.

    :raises Refused: the server said no, or it is not a regular file.
    """
    path = Path(name)
    mode = os.stat(name).st_mode  # noqa: PTH116 - a Path leaves a slash at the end out
    if not stat.S_ISREG(mode):  # asked before the file is opened: a FIFO would block
        raise Refused("a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file")
    if re.search("[\ud800-\udfff]", path.name):
        raise Refused("its name is not UTF-8")
    target = f"/api/v1/audio/{quote(path.name, safe='')}"
    with path.open("rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        bar = ProgressBar(found.st_size, path.name, in_bytes=True)
        try:
            if found.st_size > RESUMABLE_BYTES:
                ResumableUpload(api, path.name, file, found).send(bar.show)
                stored = api.call_json("GET", target) if arguments.json else {}
            else:
                headers = {"Content-Length": str(found.st_size), "Content-Type": "application/octet-stream"}
                chunks = read_chunks(file, found, 0, api.has_answered, bar.show)
                stored = api.call_json("PUT", target, headers=headers, content=chunks)
        finally:
            bar.hide()
    if arguments.json:
        print(json.dumps(stored), flush=True)


def download_file(api: GatewayApi, name: str, arguments: argparse.Namespace) -> None:
    """Fetch one file, whole or not at all: into this folder, a given one, under a given name, or to stdout.

    :raises Refused: the name is not a plain file name (a hostile list must not lead elsewhere), or is taken.
    """
    if not name or Path(name).name != name or name.startswith(".") or UNSAFE.search(name):
        raise Refused("not a plain file name")
    output = Path(arguments.output)
    path = output / name if output.is_dir() else output
    if arguments.output == "-":
        receive_file(api, name, sys.stdout.buffer)
        return
    if not arguments.force and os.path.lexists(path):
        raise Refused("a file of this name is here already (--force replaces it)")
    part = path.parent / f".{os.urandom(8).hex()}.part"
    try:
        with part.open("xb") as file:
            receive_file(api, name, file)
        if arguments.force:
            part.replace(path)
        else:
            path.hardlink_to(part)  # fails if the name came up meanwhile; a rename would not
    finally:
        part.unlink(missing_ok=True)


def receive_file(api: GatewayApi, name: str, file: IO[bytes]) -> None:
    """Write the bytes of one file of the library as they come."""
    with api.call("GET", f"/audio/{quote(name, safe='')}") as answer:
        length = answer.headers.get("Content-Length", "")
        bar = ProgressBar(int(length) if length.isdigit() else None, name, in_bytes=True)
        done_bytes = 0
        try:
            for chunk in answer.iter_bytes():
                file.write(chunk)
                done_bytes += len(chunk)
                bar.show(done_bytes)
        finally:
            bar.hide()


def delete_file(api: GatewayApi, name: str, _: argparse.Namespace) -> None:
    """Remove one file from the library."""
    with api.call("DELETE", f"/api/v1/audio/{quote(os.fsencode(name), safe='')}"):
        pass


def run_each(api: GatewayApi, arguments: argparse.Namespace) -> Exit:
    """Do the command's action to every name. A failure does not stop the others, unless the server is not there."""
    worst = Exit.DONE
    for name in arguments.names:
        try:
            arguments.action(api, name, arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            print_error(f"{escape_text(name)}: {find_reason(error)}")
            worst = max(worst, Exit.REFUSED)
        except ApiError as error:
            print_error(f"{escape_text(name)}: {error}")
            worst = max(worst, error.exit_code)
            if isinstance(error, Unreachable):
                break
    return worst


def print_list(api: GatewayApi, arguments: argparse.Namespace) -> Exit:
    """One name a line; with `-l` size, length and type before it; with `--json` one object a line."""
    files = api.call_json("GET", "/api/v1/audio/").get("files")
    if not isinstance(files, list) or not all(
        isinstance(file, dict) and isinstance(file.get("name"), str) for file in files
    ):
        raise Broken("the list makes no sense: is it a gateway?")
    if arguments.json:
        lines = [json.dumps(file) for file in files]
    elif arguments.long:
        rows = [(*describe_file(file), escape_text(file["name"])) for file in files]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:>{wide[0]}}  {b:>{wide[1]}}  {c:<{wide[2]}}  {name}" for a, b, c, name in rows]
    else:
        lines = [escape_text(file["name"]) for file in files]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return Exit.DONE


def describe_file(file: dict[str, Any]) -> tuple[str, str, str]:
    """Bytes, length (`3:42`, `1:02:03`) and type of a file in the list; `-` for what is not known."""
    size_bytes, duration_s, kind = file.get("size_bytes"), file.get("duration_s"), file.get("content_type")
    length = "-"
    if isinstance(duration_s, int | float) and 0 <= duration_s < 1e9:
        minutes, seconds = divmod(round(duration_s), 60)
        length = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes > 59 else f"{minutes}:{seconds:02d}"
    size = str(size_bytes) if isinstance(size_bytes, int) and 0 <= size_bytes < 2**63 else "-"
    return size, length, escape_text(kind)[:60] if kind and isinstance(kind, str) else "-"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    add_connection_options(shared, "seconds without data before the server is given up (60)")
    shared.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser = argparse.ArgumentParser(description="Audio files of a gateway.", parents=[shared])
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[shared], help="print the names, one a line")
    listing.add_argument("-l", "--long", action="store_true", help="print bytes, length and type too")
    listing.set_defaults(command=print_list)
    for verb, action, words in (
        ("upload", upload_file, "add files to the library"),
        ("download", download_file, "fetch files into this folder"),
        ("delete", delete_file, "remove files from the library"),
    ):
        command = commands.add_parser(verb, parents=[shared], help=words)
        command.add_argument("names", nargs="+", metavar="FILE" if verb == "upload" else "NAME")
        command.set_defaults(command=run_each, action=action)
        if verb == "download":
            command.add_argument("--force", action="store_true", help="replace a file that is here already")
            command.add_argument("-o", "--output", default=".", metavar="PATH", help="folder, file or - for stdout (.)")
    return parser


def run() -> int:
    """Read the command line and do what it says."""
    parser = make_parser()
    # Not set_defaults: it would give every command its own default, over an option before the command.
    arguments = parser.parse_args(namespace=argparse.Namespace(**read_defaults(), json=False))
    check_timeout(parser, arguments.timeout)
    output = getattr(arguments, "output", ".")
    if len(getattr(arguments, "names", ())) > 1 and not Path(output).is_dir():
        parser.error("--output must be a folder for more than one file")
    api = GatewayApi(arguments.server, arguments.token, arguments.timeout)
    with api.client:
        return int(arguments.command(api, arguments))


def main() -> int:
    """The exit code of the command line."""
    return run_command(run)
