"""The settings: where they come from, and that .env tells of them truly."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsInvalid, read_settings
from gateway.web.security import check_host
from tests.fast import first_fast

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
     ("PROBE_TARGETS", "all"), ("LOG_FORMAT", "xml"), ("MAX_UPLOAD_BYTES", "2G"), ("TASK_TTL", "inf"),
     ("REDIS_MAXMEMORY", "lots"), ("REDIS_MAXMEMORY", "0"), ("REDIS_MAXMEMORY", "-1mb"), ("REDIS_MAXMEMORY", "1.5gb"),
     ("REDIS_MAXMEMORY", "25%"), ("REDIS_MAXMEMORY", "100kb"), ("REDIS_MAXMEMORY", "9" * 30),
     ("ALLOWED_HOSTS", "example.com:8888"), ("ALLOWED_HOSTS", "http://example.com"), ("ALLOWED_HOSTS", "*"),
     ("ALLOWED_HOSTS", "*.example.com"), ("ALLOWED_HOSTS", ".example.com"), ("ALLOWED_HOSTS", "example.com."),
     ("ALLOWED_HOSTS", "example.com/"), ("ALLOWED_HOSTS", "good.example.com,bad..example.com"),
     ("ALLOWED_HOSTS", "a b.example.com"), ("ALLOWED_HOSTS", "x" * 64 + ".com"), ("ALLOWED_HOSTS", "::1"),
     ("ALLOWED_HOSTS", "пример.рф:8888"), ("ALLOWED_HOSTS", "http://пример.рф"), ("ALLOWED_HOSTS", "*.пример.рф"),
     ("ALLOWED_HOSTS", "пример.рф."), ("ALLOWED_HOSTS", "пример.рф/"), ("ALLOWED_HOSTS", "я" * 64 + ".рф"),
     ("TRUSTED_PROXIES", "10.0.0.1:80"), ("TRUSTED_PROXIES", "10.0.0.1/8"), ("TRUSTED_PROXIES", "proxy")],
)  # fmt: skip
def test_bad_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be ends the start, and the message names its field."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=rf"(?m)^{name}: "):
        read_settings()


NUMBERS = [name for name, field in NAMES.items() if re.search("int|float", str(field.annotation))]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "0", "1e20", "9" * 30, "9" * 5000])
def test_number_that_cannot_be(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No number is without a bound: what overflows a clock, a file size or Redis ends the start."""
    if (name, value) == ("PORT", "0"):  # a free one
        return
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=rf"(?m)^{name}: "):
        read_settings()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("64mb", 64 * 1024**2), ("64MB", 64 * 1024**2), ("64m", 64_000_000), ("1gb", 1024**3), (" 8192kb ", 8192 * 1024),
     ("8388608", 8388608), ("8388608b", 8388608), ("", None)],
)  # fmt: skip
def test_units_of_memory(value: str, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is given as in redis.conf: k is 1000, kb is 1024, and no unit is bytes."""
    monkeypatch.setenv("REDIS_MAXMEMORY", value)
    assert read_settings().redis_maxmemory_bytes == expected


@pytest.mark.parametrize(("name", "value"), first_fast([("TIMEOUT", "soon"), ("REDIS_URL", "http://secret@host/")]))
def test_start_with_a_bad_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway does not start with a bad setting, and says which one in words, not in a traceback."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", "import gateway"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert name in run.stderr
    assert value not in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("value", ["s3cret", "s3cret\n", "s3cret\r\n", " \ts3cret ", "\ns3cret"])
def test_token(value: str, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and line ends round API_TOKEN, from the environment or .env, are no part of it; an empty one is none."""
    monkeypatch.setenv("API_TOKEN", value)
    token = read_settings().api_token
    assert token and token.get_secret_value() == "s3cret"
    monkeypatch.setenv("API_TOKEN", "")
    assert read_settings().api_token is None
    (empty / ".env").write_text(f'API_TOKEN="{value}"\n')
    token = read_settings().api_token
    assert token and token.get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    "value", [" ", "\n", "s3cret\x01x", "s3cret\nX: y", "s3cret\x7f", "s3cret\udcff", "s3cret\x85x"]
)
def test_token_that_cannot_be(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is blank, has control characters or is not UTF-8 ends the start, and is not repeated."""
    monkeypatch.setenv("API_TOKEN", value)
    with pytest.raises(SettingsInvalid, match=r"(?m)^API_TOKEN: ") as refused:
        read_settings()
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_env_file_of_another_encoding(empty: Path) -> None:
    """A .env that is not UTF-8 ends the start in words."""
    (empty / ".env").write_bytes(b"API_TOKEN=s3cret\xff\n")
    with pytest.raises(SettingsInvalid, match=r"(?m)^\.env: "):
        read_settings()


@pytest.mark.parametrize("line", ["API_TOKEN: secret", 'API_TOKEN="secret', "API_TOKEN secret"])
def test_env_file_of_another_form(empty: Path, line: str) -> None:
    """A line of .env that would be skipped ends the start, as it may hold the token; it is named, not shown."""
    (empty / ".env").write_text(f"# ours\n\nTIMEOUT=5\n{line}\n")
    with pytest.raises(SettingsInvalid, match=r"(?m)^\.env, line 4: ") as refused:
        read_settings()
    assert "secret" not in str(refused.value)


def test_env_file_that_cannot_be_read(empty: Path) -> None:
    """A .env that cannot be opened ends the start in words."""
    (empty / ".env").symlink_to("/proc/self/mem")
    with pytest.raises(SettingsInvalid, match=r"(?m)^\.env: "):
        read_settings()


def test_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALLOWED_HOSTS is a list with commas, in any case."""
    monkeypatch.setenv("ALLOWED_HOSTS", "audio.example.com, Example.ORG,")
    assert read_settings().allowed_hosts == ("audio.example.com", "example.org")


def test_international_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name outside ASCII is taken as browsers send it, and then matches their Host header."""
    monkeypatch.setenv("ALLOWED_HOSTS", "Пример.рф, straße.example.com, xn--bcher-kva.example, [2001:db8::1]")
    names = ("xn--e1afmkfd.xn--p1ai", "xn--strae-oqa.example.com", "xn--bcher-kva.example", "[2001:db8::1]")
    assert read_settings().allowed_hosts == names
    for name in names:
        check_host(f"{name}:8888", names)


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
