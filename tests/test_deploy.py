"""What is in deploy/: what can be run here is run (test_proxies), the rest is read and held against the gateway."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.audio.change_feed import HEARTBEAT_S
from gateway.audio.uploads.form import FORM_SLACK_BYTES
from gateway.settings import Settings
from gateway.tasks.models import MAX_WAIT_S
from gateway.web.request_context import GRACE_S
from tests.processes import ROOT, SETTINGS
from tests.programs import need

DEPLOY = ROOT / "deploy"
MB = 1_000_000


def read_instructions() -> list[tuple[str, str]]:
    """(word, rest) of each instruction of the Containerfile."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, rest in lines]


def read_compose() -> Any:
    """compose.yaml, its anchors followed."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_containerfile() -> None:
    """Statically: two stages, hashes, an unprivileged user at the end, one volume, a health check, a plain command."""
    instructions = read_instructions()
    words = [word for word, _ in instructions]
    rest = dict(instructions)  # of each word the last one, which counts
    assert words.count("FROM") == 2
    assert all(":" in line.split()[0] and ":latest" not in line for word, line in instructions if word == "FROM")
    assert any("--require-hashes" in line for word, line in instructions if word == "RUN")
    compiled = [line for word, line in instructions if word == "RUN" and "compileall" in line]
    assert len(compiled) == 2
    assert all("unchecked-hash" in line for line in compiled)  # times of files do not survive a copy
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in ("COPY", "RUN"))
    assert int(rest["USER"]) >= 1000
    assert rest["VOLUME"] == "/data"
    assert "DATA_DIR=/data" in rest["ENV"]
    assert "/healthz" in rest["HEALTHCHECK"]
    assert rest["CMD"].startswith('["hypercorn", "--config", "hypercorn.toml"')
    assert rest["STOPSIGNAL"] == "SIGTERM"


def test_container_context() -> None:
    """Everything that is copied is there and is let in; of secrets and data nothing is."""
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for word, line in read_instructions():
        if word == "COPY" and not line.startswith("--from"):
            source = line.split()[0]
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored
    assert not {"!.env", "!data", "!.git"} & set(ignored)
    assert (ROOT / ".dockerignore").read_text().splitlines() == ignored


def test_compose() -> None:
    """Statically: two gateways that may write nothing but data, on one durable Redis, behind the only open ports."""
    compose = read_compose()
    services = compose["services"]
    gateways = [service for name, service in services.items() if name.startswith("gateway-")]
    assert len(gateways) == 2
    for gateway in gateways:
        assert gateway["read_only"] is True
        assert gateway["cap_drop"] == ["ALL"]
        assert gateway["volumes"] == ["data:/data"]
        assert set(gateway["environment"]) <= SETTINGS
        assert "?" in gateway["environment"]["API_TOKEN"]  # no start without one
        assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).is_file()
        assert int(gateway["stop_grace_period"].removesuffix("s")) > GRACE_S
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    subnet = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert gateways[0]["environment"]["TRUSTED_PROXIES"] == subnet
    redis = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in redis
    assert "--maxmemory-policy volatile-ttl" in redis
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])
    assert services["proxy"]["environment"]["UPSTREAMS"].split() == ["gateway-1:8888", "gateway-2:8888"]


def test_unit(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the unit, and little exposure; that it runs there is not shown here."""
    unit = (DEPLOY / "gateway.service").read_text()
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) > GRACE_S + 20
    # The program and its folder are elsewhere, and a word of a setting can only be one of ours.
    path = tmp_path / "gateway.service"
    path.write_text(unit.replace("/srv/gateway/.venv/bin/hypercorn", "/bin/true").replace("=/srv/gateway", "=/tmp"))
    analyze = need("systemd-analyze")
    run = subprocess.run([analyze, "verify", path], check=False, capture_output=True, text=True, timeout=9)
    assert (run.returncode, [line for line in run.stderr.splitlines() if path.name in line]) == (0, [])
    command = [analyze, "security", "--offline=yes", "--threshold=25", str(path)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=9)
    assert run.returncode == 0, run.stdout


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
