"""Writes completions and man pages from the `--help` of the command lines: `make docs`; with --check only compares.

completions/ has those for bash, zsh (names begin with `_`) and fish, man/ has the man pages; the wheel installs both.
"""

import sys
from collections.abc import Iterator
from shlex import quote
from textwrap import indent

from command_help import ROOT, Entry, Help, read_help
from manuals import write_manual

COMMANDS = {"gateway-crawl": "crawl.py", "gateway-screwdriver": "screwdriver.py"}
"""The installed commands, and the scripts of a clone that are the same."""
FILES = ("FILE", "PATH")
"""The names of arguments and values that are files."""
_BASH = """\
# Completion of {name} for bash 4 and later. Written by `make docs`.
{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command= options= words= each
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then # bash takes --option=value for three words
        before=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ '{commands}' == *" $each "* ]] && command=$each && break
    done
    case $command in
{cases}
    esac
    case $before in
{values}
    esac
    [[ $options && $word == -* ]] && words=$options
    if [[ $words == FILE ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}}
complete -F {function} {name} {script}
"""


def write_bash(name: str, script: str, program: Help) -> str:
    """The completion for bash: of an option's value behind such an option, else of what the command takes."""
    cases = []
    values: dict[str, list[str]] = {}
    for command, subcommand in {"''": program, **program.commands}.items():
        words = "FILE" if takes_files(subcommand) else " ".join(subcommand.commands)
        options = " ".join(each for option in subcommand.options for each in option.names)
        cases.append(f"        {command}) options='{options}' words='{words}' ;;")
        for option in filter(lambda option: option.value, subcommand.options):
            words = "FILE" if option.value in FILES else " ".join(option.choices)
            values.setdefault(words, []).extend(each for each in option.names if each not in values[words])
    lines = [f"        {'|'.join(names)}) options= words='{words}' ;;" for words, names in values.items()]
    return _BASH.format(
        name=name, script=script, function=f"_{name.replace('-', '_')}", commands=f" {' '.join(program.commands)} ",
        cases="\n".join(cases), values="\n".join(lines),
    )  # fmt: skip


def write_zsh(name: str, script: str, program: Help) -> str:
    """The completion for zsh, by `_arguments`."""
    lines = [f"#compdef {name} {script}", f"# Completion of {name} for zsh. Written by `make docs`."]
    if program.commands:
        commands = " ".join(f'{command}\\:"{subcommand.summary}"' for command, subcommand in program.commands.items())
        arguments = [f"1:COMMAND:(({commands}))", "*::argument:->argument"]
        lines += ["local line state", _call_arguments(program, arguments, flags=" -C")]
        lines += ["[[ $state == argument ]] || return", "case $line[1] in"]
        for command, subcommand in program.commands.items():
            lines += [
                f"    {command})",
                indent(_call_arguments(subcommand, _list_arguments(subcommand)), " " * 8),
                "        ;;",
            ]
        lines.append("esac")
    else:
        lines.append(_call_arguments(program, _list_arguments(program)))
    return "\n".join([*lines, ""])


def _call_arguments(program: Help, arguments: list[str], *, flags: str = "") -> str:
    specs = []
    for option in program.options:
        names = [f"{each}=" if option.value and each.startswith("--") else each for each in option.names]
        shown = f"{{{','.join(names)}}}" if len(names) > 1 else names[0]
        summary = option.summary.replace("[", r"\[").replace("]", r"\]")
        specs.append(f"'*'{shown}{quote(f'[{summary}]{_describe_zsh_value(option)}')}")
    return " \\\n    ".join([f"_arguments{flags}", *specs, *map(quote, arguments)])


def _describe_zsh_value(option: Entry) -> str:
    if option.choices:
        return f":value:({' '.join(option.choices)})"
    return f":{option.value}:{'_files' if option.value in FILES else ' '}" if option.value else ""


def _list_arguments(program: Help) -> list[str]:
    return [f"*:{each.head}:{'_files' if each.head in FILES else ' '}" for each in program.arguments]


def write_fish(name: str, script: str, program: Help) -> str:
    """The completion for fish, a line for each option of each command."""
    lines = [
        f"# Completion of {name} for fish. Written by `make docs`.",
        f"complete -c {script} -w {name}",
        f"complete -c {name} -f",
    ]
    at_first = f"-n 'not __fish_seen_subcommand_from {' '.join(program.commands)}' " if program.commands else ""
    lines += [
        f"complete -c {name} {at_first}-a {each} -d {quote(subcommand.summary)}"
        for each, subcommand in program.commands.items()
    ]
    for command, subcommand in {"": program, **program.commands}.items():
        where = f"-n '__fish_seen_subcommand_from {command}' " if command else at_first
        lines += [f"complete -c {name} {where}-F"] if takes_files(subcommand) else []
        for option in subcommand.options:
            names = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.names)
            lines.append(f"complete -c {name} {where}{names}{_describe_fish_value(option)} -d {quote(option.summary)}")
    return "\n".join([*lines, ""])


def _describe_fish_value(option: Entry) -> str:
    if option.choices:
        return f" -x -a {quote(' '.join(option.choices))}"
    return "" if not option.value else " -r -F" if option.value in FILES else " -x"


def takes_files(program: Help) -> bool:
    """Whether the arguments of a command are files."""
    return any(argument.head in FILES for argument in program.arguments)


def list_files() -> Iterator[tuple[str, str]]:
    """The path and the text of each file."""
    for name, script in COMMANDS.items():
        program = read_help(script)
        yield f"completions/{name}.bash", write_bash(name, script, program)
        yield f"completions/_{name}", write_zsh(name, script, program)
        yield f"completions/{name}.fish", write_fish(name, script, program)
        yield f"man/{name}.1", write_manual(name, script, program)


def main() -> int:
    """Write the files, or with --check compare them; 1 if one is stale."""
    stale = False
    for path, text in list_files():
        file = ROOT / path
        if "--check" not in sys.argv[1:]:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            print(f"{path} is not what --help says; run `make docs`")
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
