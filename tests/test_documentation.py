"""The documentation: its tables are those of the code, its examples run, its links lead somewhere."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway_client.terminal import Exit
from tests.audio.formats.corpus import make_wave
from tests.processes import ROOT, free_port, running
from tests.programs import need

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ELSEWHERE = {"make", "docker", "podman", "systemctl", "journalctl", "sudo", "apt-get", "nginx", "caddy"}
"""What an example may call that is not run here: the targets of make are looked for, the rest is of other machines."""
END = "--- the end of"
SCRIPTS = ("crawl.py", "screwdriver.py", "credentials.py")


def name(path: Path) -> str:
    """A document as a test is named after it."""
    return str(path.relative_to(ROOT))


@dataclass
class Example:
    """A command, and what it is said to print; `on_terminal`: it stands in a block of `console terminal`."""

    command: str
    on_terminal: bool = False
    answer: list[str] = field(default_factory=list)


def list_examples(document: Path) -> list[Example]:
    """The commands of the console blocks, in order."""
    examples: list[Example] = []
    blocks = re.findall(r"^```console( terminal)?\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    for terminal, block in blocks:
        for line in block.splitlines():
            if line.startswith("$ "):
                examples.append(Example(line[2:], bool(terminal)))
            else:
                examples[-1].answer.append(line)
    return examples


@pytest.mark.slow
def test_tables() -> None:
    """Every setting, call, refusal, option and module has its row, as the code says it, and there is no other row."""
    run = subprocess.run(
        [sys.executable, "docs/tables.py", "--check"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_exit_codes() -> None:
    """The exit codes in the documentation are those of the command lines."""
    table = (ROOT / "docs" / "commands.md").read_text().partition("| exit code |")[2].partition("\n\n")[0]
    told = {int(code) for codes in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in codes.split(",")}
    assert {*map(int, Exit), 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP} == told


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links(document: Path) -> None:
    """Every relative link leads to a file, and to a heading of it where it names one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        headings = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE) if heading else []
        anchors = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
        assert not heading or heading in anchors, link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_targets(document: Path) -> None:
    """Every `make` target that is told of is there."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", document.read_text())) <= targets


def test_readme_is_short() -> None:
    """The first screen says what it is, the two commands, and a call with its answer."""
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:20])
    assert "make run" in first
    assert "make test" in first
    assert "$ curl" in first
    assert '"result":' in first


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which a reader tries the examples."""
    for script in SCRIPTS:
        (tmp_path / script).symlink_to(ROOT / script)
    (tmp_path / "prelude.wav").write_bytes(make_wave(20_000))
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(2000))
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if list_examples(path)], ids=name)
def test_examples(document: Path, folder: Path) -> None:
    """Every command runs, one after the other, against a real gateway, and prints what is told; `…` is anything."""
    need("curl")
    examples = [example for example in list_examples(document) if example.command.split()[0] not in ELSEWHERE]
    with running(folder, PROBE_TARGETS="any") as gateway, open_shell(folder, gateway.url) as shell:
        seen = {"8888": str(gateway.port), "8889": str(free_port()), "8890": str(free_port())}
        for example in examples:
            command = replace_all(example.command, seen)
            said = ask_shell(shell, on_terminal(command) if example.on_terminal else command)
            if example.answer:
                seen |= compare(replace_all("\n".join(example.answer), seen), said)
            else:
                assert not said, f"{example.command} prints {said}"
            if example.command.endswith("&"):
                wait_for_port(int(re.findall(r"\d{4,5}", command)[-1]))


@contextmanager
def open_shell(folder: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    """A shell in `folder`, with the Python of the tests; whatever it started ends with it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outside = {key: value for key, value in os.environ.items() if key not in ("API_TOKEN", "HTTP_PROXY", "http_proxy")}
    shell = subprocess.Popen(
        ["bash"], cwd=folder, env=outside | {"PATH": path, "GATEWAY_URL": url}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield shell
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()


def on_terminal(command: str) -> str:
    """The same command on a terminal of its own, without colours."""
    return f"TERM=dumb {need('script')} --quiet --return --command {shlex.quote(command)} /dev/null < /dev/null"


def ask_shell(shell: "subprocess.Popen[str]", command: str) -> str:
    """What one command prints, on both its streams; one that runs on beside prints when it likes."""
    assert shell.stdin
    assert shell.stdout
    quiet = re.sub(r"^curl ", "curl -sS ", command)  # no progress: it is no terminal
    quiet = re.sub(r"&$", ">/dev/null 2>&1 &", quiet)
    shell.stdin.write(f"{quiet}\necho; echo '{END}' $?\n")
    shell.stdin.flush()
    lines: list[str] = []
    while not (line := shell.stdout.readline()).startswith(END):
        assert line, f"the shell ended at {command}"
        lines.append(line)
    return "".join(lines).strip("\n").replace("\r", "")


def replace_all(text: str, seen: dict[str, str]) -> str:
    """The text with what earlier answers were in place of what the document writes for it."""
    for written, real in seen.items():
        text = text.replace(written, real)
    return text


def compare(told: str, said: str) -> dict[str, str]:
    """What the words that end in `…` stand for.

    :raises AssertionError: it was not what was told.
    """
    pieces = re.split(r"(\b[0-9a-f]{4}…|…)", told)
    words = [piece for piece in pieces if len(piece) == 5 and piece.endswith("…")]
    pattern = "".join(
        ("([0-9a-f-]{8,})" if piece in words else ".*?") if piece.endswith("…") else re.escape(piece)
        for piece in pieces
    )
    found = re.fullmatch(pattern, said, re.DOTALL)
    assert found, f"told:\n{told}\nsaid:\n{said}"
    return dict(zip(words, found.groups(), strict=True))


def wait_for_port(port: int) -> None:
    """Return once somebody listens on a port of loopback."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
