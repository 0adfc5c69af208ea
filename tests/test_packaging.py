"""The wheel, installed into an environment of its own and used from another folder."""

import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

import credentials
from tests.audio.formats.corpus import make_wave
from tests.processes import ROOT, SETTINGS, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMANDS = ("gateway", "gateway-crawl", "gateway-credentials", "gateway-screwdriver")


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of the wheel in a fresh environment, which sees the dependencies of this one and not the clone."""
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT], check=True)
    [wheel] = folder.glob("gateway-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "venv" / "lib" / version / "site-packages"
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin"


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
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(trust_env=False) as client:
            while gateway.poll() is None:
                with suppress(httpx.TransportError):
                    if client.get(f"{url}/readyz").status_code == 200:
                        break
                time.sleep(0.05)
        assert gateway.poll() is None, (folder / "log").read_text()
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


def test_page_api_and_commands(bin_folder: Path, tmp_path: Path) -> None:
    """The installed gateway serves the page with its files, and the installed commands work with it."""
    (tmp_path / "prelude.wav").write_bytes(make_wave(20_000))
    with serving(bin_folder / "gateway", tmp_path, free_port()) as url, httpx.Client(trust_env=False) as client:
        uploaded = call(bin_folder / "gateway-screwdriver", "upload", "prelude.wav", cwd=tmp_path, GATEWAY_URL=url)
        listed = call(bin_folder / "gateway-screwdriver", "list", cwd=tmp_path, GATEWAY_URL=url)
        crawled = call(bin_folder / "gateway-crawl", f"{url}/healthz", f"{url}/none", cwd=tmp_path, GATEWAY_URL=url)
        page = client.get(url).text
        files = re.findall(r'(?:href|src)="(/static/[^"?]+)', page)
        codes = {client.get(url + file).status_code for file in [*files, "/docs", "/openapi.json"]}
    assert (uploaded.returncode, uploaded.stderr) == (0, "")
    assert listed.stdout == "prelude.wav\n"
    assert crawled.stdout == f"200\t{url}/healthz\n404\t{url}/none\n"
    assert "prelude.wav" in page
    assert files
    assert codes == {200}


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
