"""The settings: where they come from, and that .env tells of them truly."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsInvalid, read_settings

ROOT = Path(__file__).parent.parent
NAMES = {str(field.validation_alias): field for field in Settings.model_fields.values()}


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without .env, and an environment without our names."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_order(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment stands over .env, .env over the default; an empty variable is none."""
    assert read_settings().cache_timeout_s == 60
    (empty / ".env").write_text("TIMEOUT=5\nPER_HOST=3\nUNKNOWN=1\n")
    assert read_settings().cache_timeout_s == 5
    monkeypatch.setenv("TIMEOUT", "7")
    monkeypatch.setenv("PER_HOST", "")
    assert read_settings().cache_timeout_s == 7
    assert read_settings().per_host == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEOUT", "soon"), ("TIMEOUT", "0"), ("TIMEOUT", "nan"), ("CONCURRENCY", "-1"), ("PER_HOST", "1.5"),
     ("PROBE_TARGETS", "all"), ("LOG_FORMAT", "xml"), ("MAX_UPLOAD_BYTES", "2G"), ("TASK_TTL", "inf")],
)  # fmt: skip
def test_bad_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be ends the start, and the message names its field."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=rf"(?m)^{name}: "):
        read_settings()


@pytest.mark.parametrize(("name", "value"), [("TIMEOUT", "soon"), ("REDIS_URL", "http://secret@host/")])
def test_start_with_a_bad_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway does not start with a bad setting, and says which one in words, not in a traceback."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", "import gateway"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=9)
    assert run.returncode == 1
    assert name in run.stderr
    assert value not in run.stderr
    assert "Traceback" not in run.stderr


def test_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALLOWED_HOSTS is a list with commas, in any case."""
    monkeypatch.setenv("ALLOWED_HOSTS", "audio.example.com, Example.ORG,")
    assert read_settings().allowed_hosts == ("audio.example.com", "example.org")


def test_frozen() -> None:
    """Nobody changes a setting once it is read."""
    with pytest.raises(ValueError, match="frozen"):
        read_settings().per_host = 1  # type: ignore[misc]


def test_env_file() -> None:
    """Every name in the repository's .env is a setting, and its values are good ones; TIMEOUT is there."""
    lines = [line for line in (ROOT / ".env").read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    assert "TIMEOUT" in given
    assert set(given) <= set(NAMES)
    assert Settings.model_validate(given).probe_targets == "any"
