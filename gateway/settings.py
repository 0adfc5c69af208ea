"""The settings of the gateway, from the environment, then `.env`, then the default.

A field has its unit in its name, and its name in the environment as `validation_alias`. The descriptions are the table
in docs/settings.md.
"""

import os
import re
import string
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import ada_url
from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import StartRefused

MIN_MAXMEMORY_BYTES = 4 * 1024**2
"""An empty server takes 2 MB; for Redis 0 means no limit."""
MAX_BYTES = 1024**5
"""One PiB: twice as many still fit a file size, a number of JavaScript and a number of Lua."""
MAX_KEPT_S = 31_536_000
"""A year: the longest time for which something is kept. Redis and the clock of the system take it in milliseconds."""
MAX_WAIT_S = 3600
"""The longest time for which the gateway waits for one client or one site."""
MAX_REQUESTS = 60_000
"""An address has no more ports to one other."""
_ALLOWED_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\]")
"""What the Host header of a browser is without its port, and what the check of hosts compares with."""
ENV_FILE = ".env"
_DELIMITERS = set(":/?#@%\\")
"""What ends a host name within a URL."""
_NO_TOKEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_UNIT_BYTES = {"k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}


class SettingsInvalid(StartRefused):
    """Settings have invalid values: one line for each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(["bad settings:", *lines]))


def _read_bytes(value: object) -> object:
    """A number of bytes in the units of redis.conf: `100mb`, `1gb`, `64k` (1000), `1048576`."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,18})([kmg]b?|b?)", value.strip().lower(), re.ASCII)
    if not found:
        raise ValueError("must be a whole number of bytes, or one with kb, mb or gb")
    return int(found[1]) * _UNIT_BYTES.get(found[2], 1)


def _read_environment(names: set[str]) -> dict[str, Any]:
    """The settings in the environment, as UTF-8 whatever the locale says."""
    found = {}
    for name, value in os.environb.items():
        given = name.decode("utf-8", "replace").upper()
        if given in names and value:
            found[given] = value.decode("utf-8", "surrogateescape")
    return found


def _check_file(path: Path) -> None:
    """Refuse a file with a line that would only be skipped, with a warning.

    :raises SettingsInvalid: it has one.
    """
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            bad = [str(each.original.line) for each in parse_stream(file) if each.error]
        if bad:
            raise SettingsInvalid(f"{path}, line {', '.join(bad)}: it is not NAME=VALUE")


def _read_path(value: object) -> object:
    """A path of UTF-8 as functions of `os` take it in the locale of this process."""
    return os.fsdecode(value.encode("utf-8", "surrogateescape")) if isinstance(value, str) else value


def _encode_host(word: str) -> str:
    """A name of this server as browsers send it: in lower case, in IDNA.

    :raises ValueError: no Host header can be this name.
    """
    name = word
    if not word.isascii() and not set(word) & _DELIMITERS:
        with suppress(ValueError):
            name = ada_url.URL(f"http://{word}/").hostname
    if not _ALLOWED_HOST.fullmatch(name):
        raise ValueError(f"{word!r} is no name such as audio.example.com, without scheme, port, * and dots at its ends")
    return name


class Settings(BaseSettings):
    """All settings of a gateway."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
    )

    host: str = Field(
        "127.0.0.1",
        validation_alias="HOST",
        description="Name or address on which `gateway` and `make run` listen; `::` is IPv6 and IPv4.",
    )
    port: int = Field(
        8888,
        ge=0,
        le=65_535,
        validation_alias="PORT",
        description="Port on which they listen. Other servers have options of their own, such as `hypercorn -b :8888`.",
    )
    cache_timeout_s: float = Field(
        60,
        gt=0,
        le=MAX_KEPT_S,
        validation_alias="TIMEOUT",
        description="Seconds for which the code of a seen URL is reused.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias="REDIS_URL",
        description=(
            "`redis://`, `rediss://`, `unix://`, `redis+sentinel://host,host/service` or `redis+cluster://host,host`; "
            "unset: the embedded server."
        ),
    )
    redis_maxmemory_bytes: Annotated[int, BeforeValidator(_read_bytes)] | None = Field(
        None,
        ge=MIN_MAXMEMORY_BYTES,
        le=MAX_BYTES,
        validation_alias="REDIS_MAXMEMORY",
        description=(
            "The most memory for the data of the embedded server, in bytes or with `kb`, `mb`, `gb`; unset: a quarter "
            "of what the control group or the machine has, at most 512 MB."
        ),
    )
    data_dir: Annotated[Path, BeforeValidator(_read_path)] = Field(
        Path("data"),
        validation_alias="DATA_DIR",
        description="The folder of the embedded Redis and of `audio`; a relative path is one from the working folder.",
    )
    audio_dir_override: Annotated[Path, BeforeValidator(_read_path)] | None = Field(
        None,
        validation_alias="AUDIO_DIR",
        description="The audio folder; unset: `audio` in `DATA_DIR`. A relative path is one from the working folder.",
    )
    max_upload_bytes: int = Field(
        2 * 1024**3,
        gt=0,
        le=MAX_BYTES,
        validation_alias="MAX_UPLOAD_BYTES",
        description="The largest file taken.",
    )
    upload_idle_timeout_s: float = Field(
        30,
        gt=0,
        le=MAX_WAIT_S,
        validation_alias="UPLOAD_IDLE_TIMEOUT",
        description="Idle timeout of request bodies, in seconds.",
    )
    accel_redirect: str | None = Field(
        None,
        pattern=r"^/([A-Za-z0-9._~-]+/)*$",
        validation_alias="ACCEL_REDIRECT",
        description=(
            "A path of the proxy, as `/audio-files/`, at which it serves the audio folder to `X-Accel-Redirect` alone "
            "(nginx, Caddy); unset: the gateway sends the files itself."
        ),
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        validation_alias="ROOT_PATH",
        description="The path below which a proxy serves all of this, as `/app`; unset: that of `--root-path`.",
    )
    upload_ttl_s: int = Field(
        86_400,
        gt=0,
        le=MAX_KEPT_S,
        validation_alias="UPLOAD_TTL",
        description="Seconds for which an unfinished resumable upload is kept after its last byte.",
    )
    probe_timeout_s: float = Field(
        30,
        gt=0,
        le=MAX_WAIT_S,
        validation_alias="PROBE_TIMEOUT",
        description="Seconds for one URL, from DNS to headers, redirects included.",
    )
    probe_targets: Literal["public", "any"] = Field(
        "public",
        validation_alias="PROBE_TARGETS",
        description="`public`: globally reachable addresses only; `any`: loopback and private networks too.",
    )
    concurrency: int = Field(
        1000,
        gt=0,
        le=MAX_REQUESTS,
        validation_alias="CONCURRENCY",
        description="Requests at once, at most half of the limit of open files.",
    )
    per_host: int = Field(
        20, gt=0, le=MAX_REQUESTS, validation_alias="PER_HOST", description="Requests at once to one host."
    )
    task_ttl_s: int = Field(
        86_400,
        gt=0,
        le=MAX_KEPT_S,
        validation_alias="TASK_TTL",
        description="Seconds for which an ended task is kept.",
    )
    api_token: SecretStr | None = Field(
        None,
        validation_alias="API_TOKEN",
        description=(
            "The token that every call needs but `/healthz`, without blanks at its ends; unset: calls need no token."
        ),
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="ALLOWED_HOSTS",
        description=(
            "Names of this server, with commas, beside addresses and names without a dot; each as `audio.example.com`, "
            "without scheme, port, `*` or a dot at its ends, `пример.рф` as it is or as `xn--e1afmkfd.xn--p1ai`."
        ),
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="TRUSTED_PROXIES",
        description="Addresses, networks and `unix`, with commas, whose `X-Forwarded-For` and `-Proto` are believed.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", validation_alias="LOG_FORMAT", description="`text`, or `json`: one object in each line."
    )

    @field_validator("api_token", mode="before")
    @classmethod
    def _strip_token(cls, value: object) -> object:
        """The token without blanks and line ends around it; a blank token is a mistake."""
        if not isinstance(value, str):
            return value
        token = value.strip(string.whitespace)
        if not token:
            raise ValueError("it is blank")
        if _NO_TOKEN.search(token):
            raise ValueError("it has control characters, or is not UTF-8")
        return token

    @field_validator("allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(word.strip().lower() for word in value.split(",") if word.strip())

    @field_validator("allowed_hosts")
    @classmethod
    def _encode_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_encode_host(word) for word in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in set(value) - {"unix"}:
            ip_network(word)
        return value

    @property
    def audio_dir(self) -> Path:
        """The folder of the audio files."""
        return self.audio_dir_override or self.data_dir / "audio"


def read_settings() -> Settings:
    """The settings of this process.

    :raises SettingsInvalid: values are invalid; the text has their names in the environment.
    """
    try:
        _check_file(Path(ENV_FILE))
        return Settings(**_read_environment({str(field.validation_alias) for field in Settings.model_fields.values()}))
    except ValidationError as error:
        lines = [f"{each['loc'][0]}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()]
        raise SettingsInvalid(*lines) from None
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{ENV_FILE}: it is not UTF-8") from None
    except OSError as error:
        raise SettingsInvalid(f"{ENV_FILE}: {error.strerror}") from None
