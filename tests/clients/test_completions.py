"""Completions and manuals of the command lines: as `--help` says, and taken by the shells and by man."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.commands import environment
from tests.processes import ROOT
from tests.programs import need

COMMANDS = {"gateway-crawl": "crawl.py", "gateway-screwdriver": "screwdriver.py"}
each_command = pytest.mark.parametrize("name", COMMANDS)
FILES = ["a b.txt", "star*", "list"]


def test_files_are_fresh() -> None:
    """completions/ and man/ are what `make docs` writes."""
    command = [sys.executable, "docs/completions.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with some files."""
    for name in FILES:
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("crawl.py --for", ["--format"]),
        ("crawl.py --format ''", ["tsv", "json", "csv", "markdown", "junit"]),
        ("crawl.py --format = j", ["json", "junit"]),
        ("crawl.py --only =", ["bad"]),
        ("crawl.py -f ''", FILES),
        ("crawl.py --baseline = a", ["a b.txt"]),
        ("crawl.py -L --sitemap ''", []),
        ("crawl.py --token --", []),
        ("crawl.py ''", []),
        ("screwdriver.py ''", ["list", "upload", "download", "rename", "delete"]),
        ("screwdriver.py --json d", ["download", "delete"]),
        ("screwdriver.py upload ''", FILES),
        ("screwdriver.py upload x s", ["star*"]),
        ("screwdriver.py list --l", ["--long"]),
        ("screwdriver.py download --fo", ["--force"]),
        ("screwdriver.py download -o l", ["list"]),
        ("screwdriver.py download ''", []),
    ],
)
def test_bash_completes(line: str, expected: list[str], folder: Path) -> None:
    """The last word becomes a command, an option, one of its values or a file, whatever is in its name."""
    words = shlex.split(line)
    name = next(name for name, script in COMMANDS.items() if script == words[0])
    text = f"""source {shlex.quote(str(ROOT))}/completions/{name}.bash
    COMP_WORDS=({line}) COMP_CWORD={len(words) - 1}
    _{name.replace("-", "_")}
    printf '%s\\n' "${{COMPREPLY[@]}}" """
    run = subprocess.run(["bash", "-c", text], cwd=folder, check=True, capture_output=True, text=True)
    assert sorted(filter(None, run.stdout.splitlines())) == sorted(expected)


def test_bash_completes_on_a_terminal(folder: Path) -> None:
    """What a user types, with the Tab key, into a bash that has read the file."""
    mine, theirs = pty.openpty()
    bash = ["bash", "--norc", "--noprofile", "-i"]
    shell = subprocess.Popen(bash, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                             env=environment({"TERM": "dumb", "HOME": str(folder)}))  # fmt: skip
    os.close(theirs)
    os.write(mine, f"source {shlex.quote(str(ROOT))}/completions/gateway-crawl.bash\n".encode())
    os.write(mine, b"crawl.py() { printf '%s|' \"$@\" > typed; }\ncrawl.py --form\t=mark\t-f a\t\nexit\n")
    shell.wait(30)
    os.close(mine)
    assert (folder / "typed").read_text() == "--format|=markdown|-f|a b.txt|"


@each_command
def test_every_option_is_completed(name: str) -> None:
    """Each option that --help tells is in the files of all shells and in the manual, and their quotes are closed."""
    words = subprocess.run(
        [sys.executable, ROOT / COMMANDS[name], "--help"], check=True, capture_output=True, text=True
    ).stdout
    options = {word.strip("[],") for word in words.partition("\n\n")[0].split() if word.strip("[").startswith("-")}
    assert "--timeout" in options
    for path in (f"completions/{name}.bash", f"completions/_{name}", f"completions/{name}.fish", f"man/{name}.1"):
        text = (ROOT / path).read_text()
        plain = text.replace("\\-", "-").replace("-s ", "-").replace("-l ", "--")
        assert not [option for option in options if option not in plain]
        if not path.startswith("man"):
            assert shlex.split(text, comments=True)


@each_command
@pytest.mark.parametrize(
    ("shell", "path"),
    [("bash -n", "{}.bash"), ("bash -n", "_{}"), ("zsh -n", "_{}"), ("fish --no-execute", "{}.fish")],
)
def test_syntax(shell: str, path: str, name: str) -> None:
    """The shells can read their files; that for zsh has the grammar of bash too."""
    program, option = shell.split()
    command: list[str | Path] = [need(program), option, ROOT / "completions" / path.format(name)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@each_command
def test_manual(name: str) -> None:
    """man shows the manual without a warning; lines that begin with a dot or a hyphen are whole."""
    command: list[str | Path] = [need("man"), "--warnings", "--local-file", ROOT / "man" / f"{name}.1"]
    run = subprocess.run(
        command, check=False, capture_output=True, text=True,
        env=environment({"MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"}),
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    for words in (f"$ {name} ", "--server URL", "GATEWAY_URL; http://127.0.0.1:8888", "129, 130, 143  ended by"):
        assert words in run.stdout
