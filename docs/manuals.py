"""Writes a man page, in the macros of man(7), from the help of a command line."""

import sys
from collections.abc import Iterable

from command_help import ROOT, Entry, Help

sys.path.insert(0, str(ROOT))

from credentials import __version__


def write_manual(name: str, script: str, program: Help) -> str:
    """The man page of a command, in section 1. `script` is what its help calls it."""
    lines = [
        f'.TH {escape_roff(name.upper())} 1 "" "gateway {__version__}" "User Commands"',
        ".SH NAME",
        f"{escape_roff(name)} \\- {escape_roff(program.description.rstrip('.'))}",
        ".SH SYNOPSIS",
        escape_roff(program.usage),
        ".SH DESCRIPTION",
        escape_roff(program.description),
        *_write_entries(program.arguments),
        ".SH OPTIONS",
        *_write_entries(program.options),
    ]
    if program.commands:
        lines += [".SH COMMANDS", escape_roff("Each takes these options behind its name too, but for --version.")]
    for command, subcommand in program.commands.items():
        lines += [f".SS {command}", escape_roff(subcommand.usage), ".PP", escape_roff(subcommand.description)]
        lines += _write_entries(
            [*subcommand.arguments, *(each for each in subcommand.options if each not in program.options)]
        )
    for title, body in program.sections.items():
        lines += [f".SH {title.upper()}", ".nf", *map(escape_roff, body.splitlines()), ".fi"]
    return "\n".join([*lines, ""]).replace(script, escape_roff(name))


def _write_entries(entries: Iterable[Entry]) -> list[str]:
    """Each option or argument in bold, and behind it what it does."""
    return [line for each in entries for line in (".TP", f".B {escape_roff(each.label)}", escape_roff(each.summary))]


def escape_roff(text: str) -> str:
    """A line of text that roff prints as it is; its hyphens can be copied into a shell."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", r"\&...")
    return rf"\&{text}" if text.startswith((".", "'")) else text
