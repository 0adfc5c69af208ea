"""What is in deploy/: what can be run here is run (test_proxies), the rest is read and held against the gateway."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.audio.change_feed import HEARTBEAT_S
from gateway.audio.uploads.form import FORM_SLACK_BYTES
from gateway.settings import Settings
from gateway.tasks.models import MAX_WAIT_S
from gateway.web.request_context import GRACE_S
from tests.processes import ROOT, SETTINGS, free_port
from tests.programs import need
from tests.units import DEPLOY, read_unit

MB = 1_000_000


def read_instructions() -> list[tuple[str, str]]:
    """(word, rest) of each instruction of the Containerfile."""
    text = (DEPLOY / "Containerfile").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    return [(word, rest) for word, rest in (line.split(None, 1) for line in text.splitlines() if line)]


def read_compose() -> Any:
    """compose.yaml, its anchors followed."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def read_mib(size: str) -> int:
    """The MiB of a size in the words of Compose and of Redis: `512m`, `512mb`."""
    found = re.fullmatch(r"(\d+)mb?", size)
    assert found, size
    return int(found[1])


def test_containerfile() -> None:
    """Statically: two stages, hashes, an unprivileged user at the end, one volume, one plain command."""
    instructions = read_instructions()
    words = [word for word, _ in instructions]
    rest = dict(instructions)  # of each word the last one, which counts
    assert words.count("FROM") == 2
    assert all(":" in line.split()[0] and ":latest" not in line for word, line in instructions if word == "FROM")
    [installs, build] = [line for word, line in instructions[: words.index("FROM", 1)] if word == "RUN"]
    assert installs.count("--require-hashes") == installs.count("pip install") == 2
    assert "--no-index" in build
    assert "unchecked-hash" in build  # times of files do not survive a copy
    last_stage = instructions[words.index("FROM", 1) :]
    assert [line for word, line in last_stage if word == "COPY"] == ["--from=build /opt/gateway /opt/gateway"]
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in ("COPY", "RUN"))
    assert int(rest["USER"]) >= 1000
    assert rest["VOLUME"] == "/data"
    assert {"DATA_DIR=/data", "HOST=0.0.0.0", f"PORT={rest['EXPOSE']}"} <= set(rest["ENV"].split())
    assert [line for word, line in instructions if word == "CMD"] == ['["gateway"]']
    assert rest["STOPSIGNAL"] == "SIGTERM"


def test_health_check(tmp_path: Path) -> None:
    """The command of HEALTHCHECK fails without a gateway on PORT, and says why."""
    command = json.loads(dict(read_instructions())["HEALTHCHECK"].partition(" CMD ")[2])
    assert command[0] == "python"
    port = str(free_port())
    command[0] = sys.executable
    run = subprocess.run(command, check=False, env={"PORT": port}, capture_output=True, text=True)
    assert (run.returncode, "Connection refused" in run.stderr) == (1, True)


def test_container_context() -> None:
    """What is let in is there and is copied, and nothing else is copied; of secrets and data nothing is let in."""
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    assert ignored[0] == "*"
    copied = {
        source.rstrip("/")
        for word, line in read_instructions()
        if word == "COPY" and not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    assert not {".env", "data", ".git"} & copied
    assert (ROOT / ".dockerignore").read_text().splitlines() == ignored


def test_compose() -> None:
    """Statically: two gateways that may write nothing but data, on one durable Redis, behind the only open ports."""
    compose = read_compose()
    services = compose["services"]
    gateways = [service for name, service in services.items() if name.startswith("gateway-")]
    assert len(gateways) == 2
    for gateway in gateways:
        assert (gateway["read_only"], gateway["init"]) == (True, True)
        assert gateway["cap_drop"] == ["ALL"]
        assert gateway["volumes"] == ["data:/data"]
        assert set(gateway["environment"]) <= SETTINGS
        assert "?" in gateway["environment"]["API_TOKEN"]  # no start without one
        assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).is_file()
        assert int(gateway["stop_grace_period"].removesuffix("s")) > GRACE_S
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "proxy": ["80:80", "443:443", "443:443/udp"]
    }
    subnet = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert gateways[0]["environment"]["TRUSTED_PROXIES"] == subnet
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])
    assert services["proxy"]["environment"]["UPSTREAMS"].split() == ["gateway-1:8888", "gateway-2:8888"]


def test_compose_memory() -> None:
    """Every service has a limit, and that of Redis holds its data twice: it copies them while it rewrites its file."""
    services = read_compose()["services"]
    limits = {name: read_mib(service["mem_limit"]) for name, service in services.items()}
    assert min(limits.values()) >= 256
    command = services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "volatile-ttl")
    assert limits["redis"] >= 2 * read_mib(options["--maxmemory"]) + 128


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("hadolint", [DEPLOY / "Containerfile"]),
        ("check-jsonschema", ["--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"]),
    ],
)
def test_linters(program: str, arguments: list[str | Path]) -> None:
    """The linter of Containerfiles and the schema of Compose find nothing."""
    run = subprocess.run([need(program), *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_unit(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the unit, and little exposure; that it runs there is not shown here."""
    unit = (DEPLOY / "gateway@.service").read_text()
    # The program is elsewhere, and a word of a setting can only be one of systemd's.
    path = tmp_path / "gateway@8881.service"
    path.write_text(unit.replace("/opt/gateway/bin/gateway", "/bin/true"))
    analyze = need("systemd-analyze")
    run = subprocess.run([analyze, "verify", path], check=False, capture_output=True, text=True, timeout=60)
    assert (run.returncode, [line for line in run.stderr.splitlines() if path.name in line]) == (0, [])
    command = [analyze, "security", "--offline=yes", "--threshold=15", str(path)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout


def test_unit_restarts() -> None:
    """The unit never gives up to restart, waits before it does, and lets a stop come to its end."""
    unit = read_unit(8881)
    assert (unit["StartLimitIntervalSec"], unit["Restart"]) == (["0"], ["always"])
    assert int(unit["RestartSec"][0]) >= 1
    assert int(unit["TimeoutStopSec"][0]) > GRACE_S + 20


def test_ports_fit() -> None:
    """The unit is told to run on the ports that nginx and Caddy expect, and keeps data where they look for files."""
    [line] = re.findall(r"systemctl enable --now (.*?)  ", (DEPLOY / "gateway@.service").read_text())
    ports = [name.removeprefix("gateway@") for name in line.split()]
    nginx, caddy = (DEPLOY / "nginx.conf").read_text(), (DEPLOY / "Caddyfile").read_text()
    assert re.findall(r"server 127\.0\.0\.1:(\d+)", nginx) == ports
    assert re.findall(r"127\.0\.0\.1:(\d+)", re.findall(r"\{\$UPSTREAMS:(.*?)\}", caddy)[0]) == ports
    [data] = [value.removeprefix("DATA_DIR=") for value in read_unit(8881)["Environment"]]
    assert f"alias {data}/audio/;" in nginx
    assert f"{{$AUDIO_DIR:{data}/audio}}" in caddy


@pytest.mark.parametrize(
    ("name", "pattern"), [("nginx.conf", r"client_max_body_size (\d+)m;"), ("Caddyfile", r"max_size (\d+)MB")]
)
def test_limits_fit(name: str, pattern: str) -> None:
    """A proxy lets through what the gateway takes, a form round the largest file too, and hardly more."""
    largest = Settings.model_fields["max_upload_bytes"].default
    [limit] = re.findall(pattern, (DEPLOY / name).read_text())
    unit = 1024 * 1024 if name == "nginx.conf" else MB
    assert largest + FORM_SLACK_BYTES < int(limit) * unit < 1.1 * largest


def test_times_fit() -> None:
    """A proxy waits longer than the gateway may keep silent, and lets go of silent connections before it does."""
    conf = (DEPLOY / "nginx.conf").read_text()
    [read_s] = re.findall(r"proxy_read_timeout (\d+)s;", conf)
    [keep_s] = re.findall(r"keepalive_timeout (\d+)s;", conf)
    [closes_s] = re.findall(r"^keep_alive_timeout = (\d+)$", (ROOT / "hypercorn.toml").read_text(), re.MULTILINE)
    assert int(read_s) > max(HEARTBEAT_S, MAX_WAIT_S)
    assert int(keep_s) < int(closes_s)
    [caddy_s] = re.findall(r"keepalive (\d+)s", (DEPLOY / "Caddyfile").read_text())
    assert int(caddy_s) < int(closes_s)
    idle_s = Settings.model_fields["upload_idle_timeout_s"].default
    assert f"client_body_timeout {idle_s}s;" in conf


def test_hsts_over_tls_alone() -> None:
    """No proxy sends HSTS without TLS (RFC 6797, 7.2), and Caddy none for localhost."""
    plain, _, encrypted = (DEPLOY / "nginx.conf").read_text().partition("listen 443")
    assert ("Strict-Transport-Security" in plain, "Strict-Transport-Security" in encrypted) == (False, True)
    [matcher] = re.findall(r"@hsts \{(.*?)\}", (DEPLOY / "Caddyfile").read_text(), re.DOTALL)
    assert [line.strip() for line in matcher.strip().splitlines()] == ["protocol https", "not host localhost"]
