"""The command line of the audio library: upload, list, download, rename and delete files of a gateway."""

import argparse
import errno
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from .api import ApiError, Broken, GatewayApi, Refused, Unreachable
from .options import add_connection_options, add_version, check_timeout, make_parser, read_defaults
from .progress_bar import ProgressBar
from .terminal import UNSAFE, Exit, escape_text, print_failure, run_command
from .upload import locate_file, upload_files

NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How link(2) fails where there are no hard links: exFAT, SMB, many FUSE mounts."""

Command = Callable[[GatewayApi, argparse.Namespace], Exit]
Action = Callable[[GatewayApi, str, argparse.Namespace], None]

EXAMPLES = """\
  $ %(prog)s upload prelude.wav fugue.mp3
  $ %(prog)s upload --skip-existing music/
  $ %(prog)s list -l
  $ %(prog)s download prelude.wav -o music/
  $ %(prog)s download prelude.wav -o - | ffplay -
  $ %(prog)s rename prelude.wav 'Prelude in C.wav'
  $ %(prog)s delete prelude.wav
"""


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
            name_file(part, path)
    finally:
        part.unlink(missing_ok=True)


def name_file(part: Path, path: Path) -> None:
    """Give a whole file its name.

    :raises FileExistsError: the name came up meanwhile.
    """
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        path.touch(exist_ok=False)  # takes the name; a rename alone would replace what has it
        try:
            part.replace(path)
        except BaseException:
            path.unlink()
            raise


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


def rename_file(api: GatewayApi, name: str, arguments: argparse.Namespace) -> None:
    """Give one file of the library another name, which none has.

    :raises Refused: the server said no, or the name is not text.
    """
    if re.search("[\ud800-\udfff]", arguments.new_name):
        raise Refused("the new name is not UTF-8")
    content = json.dumps({"name": arguments.new_name}).encode()
    stored = api.call_json("PATCH", locate_file(name), headers={"Content-Type": "application/json"}, content=content)
    if arguments.json:
        print(json.dumps(stored), flush=True)


def delete_file(api: GatewayApi, name: str, _: argparse.Namespace) -> None:
    """Remove one file from the library."""
    with api.call("DELETE", locate_file(name)):
        pass


def run_each(api: GatewayApi, arguments: argparse.Namespace) -> Exit:
    """Do the command's action to every name. A failure does not stop the others, unless the server is not there."""
    worst = Exit.DONE
    for name in arguments.names:
        try:
            arguments.action(api, name, arguments)
        except BrokenPipeError:
            raise
        except (OSError, ApiError) as error:
            worst = max(worst, print_failure(name, error))
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


def add_command(
    commands: Any,
    shared: argparse.ArgumentParser,
    verb: str,
    words: str,
    command: Command,
    action: Action | None = None,
) -> argparse.ArgumentParser:
    """The parser of one command: what it calls, and with which action for each name."""
    parser: argparse.ArgumentParser = commands.add_parser(
        verb, parents=[shared], help=words, description=f"{words.capitalize()}."
    )
    parser.set_defaults(command=command, action=action)
    return parser


def make_screwdriver_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    add_connection_options(shared, "seconds without data before the server is given up (60)")
    shared.add_argument("--json", action="store_true", help="print one JSON object a line")
    failure = "a file was refused, or cannot be read or written"
    parser = make_parser("Send, list, fetch and change audio files of a gateway.", EXAMPLES, failure, parents=[shared])
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = add_command(commands, shared, "list", "print the names, one a line", print_list)
    listing.add_argument("-l", "--long", action="store_true", help="print bytes, length and type too")
    upload = add_command(commands, shared, "upload", "add files to the library", upload_files)
    upload.add_argument("names", nargs="+", metavar="PATH", help="file to add under its own name, or folder of files")
    upload.add_argument(
        "-r", "--recursive", action="store_true", help="no effect: a folder is always taken with all below it"
    )
    upload.add_argument("--skip-existing", action="store_true", help="skip a file whose name the library has")
    download = add_command(commands, shared, "download", "fetch files into this folder", run_each, download_file)
    download.add_argument("names", nargs="+", metavar="NAME", help="name of a file in the library")
    download.add_argument("--force", action="store_true", help="replace a file that is here already")
    download.add_argument("-o", "--output", default=".", metavar="PATH", help="folder, file or - for stdout (.)")
    rename = add_command(commands, shared, "rename", "give a file another name", run_each, rename_file)
    rename.add_argument("names", nargs=1, metavar="OLD", help="name of a file in the library")
    rename.add_argument("new_name", metavar="NEW", help="name that no file has")
    delete = add_command(commands, shared, "delete", "remove files from the library", run_each, delete_file)
    delete.add_argument("names", nargs="+", metavar="NAME", help="name of a file in the library")
    return parser


def run() -> int:
    """Read the command line and do what it says."""
    parser = make_screwdriver_parser()
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
