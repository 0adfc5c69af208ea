"""In a locale that is not UTF-8: names on the disk and in answers, the log, the settings and the command lines."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.audio.formats.corpus import make_wave
from tests.locales import ENCODINGS, make_locale
from tests.processes import ROOT, Gateway, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NAME = "Прелюдия é 音.wav"
FOREIGN = "Ёлка ø.wav"


@pytest.fixture(params=ENCODINGS)
def locale(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program in one of the locales."""
    return make_locale(tmp_path_factory.mktemp("locales"), request.param)


def list_names(folder: Path) -> set[str]:
    """The names in a folder; the tests themselves run in UTF-8."""
    return {path.name for path in folder.iterdir()}


def test_library(tmp_path: Path, locale: dict[str, str]) -> None:
    """Names of the library and of its folder are UTF-8 on the disk and in answers, whatever the locale says."""
    folder = tmp_path / "Музыка"
    (tmp_path / ".env").write_text(f"AUDIO_DIR={folder}\n", encoding="utf-8")
    folder.mkdir()
    (folder / FOREIGN).write_bytes(make_wave(1000))
    settings = locale | {"DATA_DIR": str(tmp_path / "данные")}
    with (
        running(tmp_path, None, **settings) as gateway,
        httpx.Client(base_url=gateway.url, trust_env=False) as client,
    ):
        path = f"/api/v1/audio/{quote(NAME)}"
        assert client.put(path, content=make_wave(2000)).status_code == 201
        assert client.put(path, content=make_wave(2000)).status_code == 409
        names = {each["name"] for each in client.get("/api/v1/audio/").json()["files"]}
        assert names == {NAME, FOREIGN}
        assert client.get(f"/audio/{quote(FOREIGN)}").content == make_wave(1000)
        assert list_names(folder) == {NAME, FOREIGN}
        renamed = client.patch(f"/api/v1/audio/{quote(FOREIGN)}", json={"name": f"2 {FOREIGN}"})
        assert (renamed.status_code, list_names(folder)) == (200, {NAME, f"2 {FOREIGN}"})
        assert client.delete(f"/api/v1/audio/{quote(f'2 {FOREIGN}')}").status_code == 204
        assert client.post("/", files={"file": (FOREIGN, make_wave(1500))}).status_code == 303
        assert list_names(folder) == {NAME, FOREIGN}
    assert {"Музыка", "данные"} <= list_names(tmp_path)
    log = gateway.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert f" gateway: audio folder: {folder}\n" in log
    assert f" at {tmp_path}/данные/redis, pid " in log


def test_path_of_a_failure(tmp_path: Path, locale: dict[str, str]) -> None:
    """The path in an error of the disk is UTF-8 in the log, too."""
    folder = tmp_path / "Музыка"
    folder.touch()
    with running(tmp_path, None, until="/healthz", **(locale | {"AUDIO_DIR": str(folder)})) as gateway:
        pass
    log = gateway.log.read_text(encoding="utf-8")
    assert f"the audio folder failed: [Errno 17] File exists: '{folder}'\n" in log
    assert f"the audio folder {folder}: " in log


def test_settings(tmp_path: Path, locale: dict[str, str]) -> None:
    """The environment is read as UTF-8 too: a token and a name of the server outside ASCII."""
    token = "пароль-пароль-пароль"
    gateway = Gateway(tmp_path, None, **locale, API_TOKEN=token, ALLOWED_HOSTS="пример.рф", LOG_FORMAT="json")
    gateway.start("/healthz")
    try:
        headers = [(b"Authorization", f"Bearer {token}".encode()), (b"Host", b"xn--e1afmkfd.xn--p1ai")]
        assert httpx.get(f"{gateway.url}/api/v1/audio/", headers=headers, trust_env=False).status_code == 200
    finally:
        gateway.stop()
    for line in gateway.log.read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["message"]


def test_command_lines(tmp_path: Path, locale: dict[str, str]) -> None:
    """crawl.py, screwdriver.py and credentials.py print what the locale cannot show without stopping."""
    environment = os.environ | locale | {"PYTHONPATH": str(ROOT)}

    def call(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, str(ROOT / script), *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True, timeout=60)
        assert b"Traceback" not in done.stderr, done.stderr.decode("ascii", "replace")
        return done

    with running(tmp_path) as gateway:
        httpx.put(f"{gateway.url}/api/v1/audio/{quote(NAME)}", content=make_wave(1000), trust_env=False)
        server = ("--server", gateway.url)
        assert call("screwdriver.py", *server, "list", "-l").stdout.count(b".wav") == 1
        assert b".wav" in call("screwdriver.py", *server, "list", "--json").stdout
        assert call("screwdriver.py", *server, "download", NAME).returncode in (0, 1)
        assert call("screwdriver.py", *server, "upload", NAME).returncode == 1
        url = "http://127.0.0.1:1/страница-é-音"
        assert call("crawl.py", *server, url).stdout.startswith(b"000\t")
        assert call("crawl.py", *server, "--format", "json", url).returncode == 0
    for script in ("crawl.py", "screwdriver.py", "credentials.py"):
        assert call(script, "--help").returncode == 0
        assert call(script, "--ключ").returncode == 2
