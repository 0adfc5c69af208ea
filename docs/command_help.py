"""Reads the `--help` of a command line: options, arguments, commands, examples. For tables, completions, man pages."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_ENTRY = re.compile(r"^ {2,4}(\S.*?)(?:(?:\n {8}|  ) *(\S.*))?$", re.MULTILINE)
"""A name and its summary, beside it or on the next line."""


@dataclass(frozen=True)
class Entry:
    """An option (`-f, --file FILE`), an argument (`URL`) or a command (`list`), and what it does."""

    head: str
    summary: str

    @property
    def names(self) -> list[str]:
        """The names of an option: `-f`, `--file`."""
        return re.findall(r"(?<![\w-])--?[a-z][\w-]*", self.head, re.IGNORECASE)

    @property
    def value(self) -> str:
        """The value of an option, such as `FILE` or `{tsv,json}`; empty for an option without one."""
        last = self.head.split()[-1]
        return "" if last.startswith("-") else last

    @property
    def label(self) -> str:
        """The head in the form of Python 3.13 and later: the value is only behind the last name."""
        return f"{', '.join(self.names)} {self.value}".rstrip() if self.names else self.head

    @property
    def choices(self) -> list[str]:
        """The values that an option can have, where they are few."""
        return self.value.strip("{}").split(",") if self.value.startswith("{") else []


@dataclass(frozen=True)
class Help:
    """The help of one command.

    `summary` is its line in the list of commands, empty for the program itself. `sections` are those behind the
    options: `{"examples": …, "exit codes": …}`.
    """

    summary: str
    usage: str
    description: str
    arguments: list[Entry]
    options: list[Entry]
    commands: dict[str, "Help"]
    sections: dict[str, str]


def read_help(script: str, *command: str, summary: str = "") -> Help:
    """The help of a script, or of one of its commands."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    run = subprocess.run(
        [sys.executable, ROOT / script, *command, "--help"],
        check=True, capture_output=True, text=True, env=environment | {"COLUMNS": "1000"},
    )  # fmt: skip
    usage, description, *blocks = run.stdout.rstrip().split("\n\n")
    sections = {title: body for title, _, body in (block.partition(":\n") for block in blocks)}
    options, arguments = (list_entries(sections.pop(title, "")) for title in ("options", "positional arguments"))
    commands = {}
    if arguments and arguments[0].head == "COMMAND":
        commands = {each.head: read_help(script, *command, each.head, summary=each.summary) for each in arguments[1:]}
        arguments = []
    return Help(summary, usage.removeprefix("usage: "), description, arguments, options, commands, sections)


def list_entries(section: str) -> list[Entry]:
    """The entries of one section of a help."""
    return [Entry(head, summary) for head, summary in _ENTRY.findall(section)]
