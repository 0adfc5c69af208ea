"""The wheel, installed into an environment of its own and used from another folder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

import httpx
import pytest

import credentials
from tests.audio.formats.corpus import make_wave
from tests.processes import ROOT, SETTINGS, free_port
from tests.programs import need
from tests.units import read_unit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMANDS = ("gateway", "gateway-crawl", "gateway-credentials", "gateway-screwdriver")


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of the wheel in a fresh environment, which sees the dependencies of this one and not the clone.

    The wheel is made of what the container is made of.
    """
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = copy_context(folder / "context")
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True)
    [wheel] = folder.glob("gateway-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "venv" / "lib" / version / "site-packages"
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin"


def copy_context(folder: Path) -> Path:
    """What .containerignore lets into the build of the container, in `folder`."""
    for line in (ROOT / ".containerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], folder / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    return folder


def call(command: Path, *arguments: str | Path, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without the settings of the tester."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS | {"PYTHONPATH"}}
    return subprocess.run(
        [command, *arguments], cwd=cwd, env=environment | extra, capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def serving(command: Path, folder: Path, port: int) -> Iterator[str]:
    """The installed gateway, its data in `folder`; it is asked to end afterwards."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS | {"PYTHONPATH"}}
    environment |= {"DATA_DIR": str(folder / "data"), "PROBE_TARGETS": "any"}
    with (folder / "log").open("wb") as log:
        gateway = subprocess.Popen([command, "--port", str(port)], cwd=folder, env=environment, stderr=log, stdout=log)
    with until_ready(gateway, port, folder / "log") as url:
        yield url


@contextmanager
def serving_unit(bin_folder: Path, state: Path, port: int) -> Iterator[str]:
    """gateway@PORT as systemd runs it, but for its user and sandbox: with `state` for the state directory."""
    places = {"/opt/gateway/bin": str(bin_folder), "/var/lib/gateway": str(state)}

    def place(text: str) -> str:
        return re.sub("|".join(places), lambda found: places[found[0]], text)

    unit = read_unit(port)
    environment = {"PATH": "/usr/bin:/bin"} | dict(place(line).split("=", 1) for line in unit["Environment"])
    with (state / f"{port}.log").open("wb") as log:
        gateway = subprocess.Popen(
            shlex.split(place(unit["ExecStart"][0])), cwd=place(unit["WorkingDirectory"][0]), env=environment,
            umask=int(unit["UMask"][0], 8), stderr=log, stdout=log,
        )  # fmt: skip
    with until_ready(gateway, port, state / f"{port}.log") as url:
        yield url


@contextmanager
def until_ready(gateway: "subprocess.Popen[bytes]", port: int, log: Path) -> Iterator[str]:
    """Its URL, once it is ready; it is asked to end afterwards."""
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(trust_env=False) as client:
            while gateway.poll() is None:
                with suppress(httpx.TransportError):
                    if client.get(f"{url}/readyz").status_code == 200:
                        break
                time.sleep(0.05)
        assert gateway.poll() is None, log.read_text()
        yield url
    finally:
        gateway.terminate()
        assert gateway.wait(30) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_versions(bin_folder: Path, tmp_path: Path, command: str) -> None:
    """Every command tells the one version."""
    done = call(bin_folder / command, "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1] == credentials.__version__


def test_completions_and_manuals(bin_folder: Path) -> None:
    """Shells and man find the files of the commands where they look for those of an installation."""
    share = bin_folder.parent / "share"
    for name in ("gateway-crawl", "gateway-screwdriver"):
        installed = {
            f"bash-completion/completions/{name}": f"completions/{name}.bash",
            f"zsh/site-functions/_{name}": f"completions/_{name}",
            f"fish/vendor_completions.d/{name}.fish": f"completions/{name}.fish",
            f"man/man1/{name}.1": f"man/{name}.1",
        }
        for path, source in installed.items():
            assert (share / path).read_bytes() == (ROOT / source).read_bytes()
    found = call(Path(need("man")), "-w", "gateway-crawl", cwd=bin_folder, PATH=f"{bin_folder}:{os.environ['PATH']}")
    assert found.stdout.strip() == str(share / "man" / "man1" / "gateway-crawl.1")


def test_page_api_and_commands(bin_folder: Path, tmp_path: Path) -> None:
    """The installed gateway serves the page with its files, and the installed commands work with it."""
    (tmp_path / "prelude.wav").write_bytes(make_wave(20_000))
    with serving(bin_folder / "gateway", tmp_path, free_port()) as url, httpx.Client(trust_env=False) as client:
        uploaded = call(bin_folder / "gateway-screwdriver", "upload", "prelude.wav", cwd=tmp_path, GATEWAY_URL=url)
        listed = call(bin_folder / "gateway-screwdriver", "list", cwd=tmp_path, GATEWAY_URL=url)
        crawled = call(bin_folder / "gateway-crawl", f"{url}/healthz", f"{url}/none", cwd=tmp_path, GATEWAY_URL=url)
        page = client.get(url).text
        files = re.findall(r'(?:href|src)="(/static/[^"?]+)', page + client.get(f"{url}/tasks").text)
        codes = {client.get(url + file).status_code for file in [*files, "/docs", "/openapi.json"]}
    assert (uploaded.returncode, uploaded.stderr) == (0, "")
    assert listed.stdout == "prelude.wav\n"
    assert crawled.stdout == f"200\t{url}/healthz\n404\t{url}/none\n"
    assert "prelude.wav" in page
    assert files
    assert codes == {200}


def test_unit(bin_folder: Path, tmp_path: Path) -> None:
    """Two gateways as the unit starts them: one folder, one Redis, files for the group, and no `.env` of a clone."""
    code = "from gateway.settings import Settings; print(Settings().probe_targets)"
    assert call(bin_folder / "python", "-c", code, cwd=ROOT).stdout == "any\n"
    ports = free_port(), free_port()
    with (
        serving_unit(bin_folder, tmp_path, ports[0]) as one,
        serving_unit(bin_folder, tmp_path, ports[1]) as two,
        httpx.Client(trust_env=False) as client,
    ):
        assert client.put(f"{one}/api/v1/audio/prelude.wav", content=make_wave(20_000)).status_code == 201
        assert [file["name"] for file in client.get(f"{two}/api/v1/audio/").json()["files"]] == ["prelude.wav"]
        logs = [(tmp_path / f"{port}.log").read_text() for port in ports]
    assert all("probes: globally reachable addresses only (PROBE_TARGETS=public)" in log for log in logs)
    assert "another gateway runs the embedded server" in logs[1]
    modes = {name: S_IMODE((tmp_path / name).stat().st_mode) for name in ("audio", "audio/prelude.wav", "redis")}
    assert modes == {"audio": 0o750, "audio/prelude.wav": 0o640, "redis": 0o700}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "192.0.2.1"], 1, "gateway: cannot listen on 192.0.2.1 port 8888: "),
        (["--host", "no.such.host.invalid"], 1, "gateway: cannot listen on no.such.host.invalid port 8888: "),
        (["--port", "70000"], 2, "usage: gateway"),
        (["serve"], 2, "usage: gateway"),
    ],
)
def test_start_that_cannot_be(bin_folder: Path, tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    """A host that is not here is one line and exit code 1, a wrong command line the usage and 2."""
    done = call(bin_folder / "gateway", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(words)
    assert code == 2 or done.stderr.count("\n") == 1
