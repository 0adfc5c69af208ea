"""The settings of the gateway: the only reader of the environment and of `.env`.

The environment overrides `.env`, `.env` overrides the default. A bad value stops the start and names its
field. Field names carry their unit; the name in the environment is the `validation_alias` of each field, and the
descriptions are the table in docs/settings.md.
"""

import re
import string
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import StartRefused

GIB = 1024**3
_NO_TOKEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
MIN_MAXMEMORY_BYTES, MAX_MAXMEMORY_BYTES = 4 * 1024**2, 1024**5
"""An empty server takes 2 MB; 0 would be no bound."""


UNIT_BYTES = {
    "": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3,
}  # fmt: skip
"""The units of redis.conf."""


class SettingsInvalid(StartRefused):
    """A setting has a value that cannot be: one line a field."""


def _read_bytes(value: object) -> object:
    """A number of bytes in the units of redis.conf: `100mb`, `1gb`, `64k` (1000), `1048576`."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,18})([kmg]?b?)", value.strip().lower(), re.ASCII)
    if not found:
        raise ValueError("must be a whole number of bytes, or one with kb, mb or gb")
    return int(found[1]) * UNIT_BYTES[found[2]]


class Settings(BaseSettings):
    """Everything a gateway can be told, read once at the start."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
    )

    cache_timeout_s: float = Field(
        60,
        gt=0,
        le=31_536_000,
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
        le=MAX_MAXMEMORY_BYTES,
        validation_alias="REDIS_MAXMEMORY",
        description=(
            "The most memory for the data of the embedded server, in bytes or with `kb`, `mb`, `gb`; unset: a quarter "
            "of what the control group or the machine has, at most 512 MB."
        ),
    )
    data_dir: Path = Field(
        Path("data"),
        validation_alias="DATA_DIR",
        description="Where the embedded Redis and the audio folder live.",
    )
    audio_dir_override: Path | None = Field(
        None, validation_alias="AUDIO_DIR", description="The audio folder; unset: `audio` in `DATA_DIR`."
    )
    max_upload_bytes: int = Field(
        2 * GIB, gt=0, validation_alias="MAX_UPLOAD_BYTES", description="The largest file taken."
    )
    upload_idle_timeout_s: float = Field(
        30,
        gt=0,
        validation_alias="UPLOAD_IDLE_TIMEOUT",
        description="Idle timeout of request and response bodies, in seconds.",
    )
    upload_ttl_s: int = Field(
        86_400,
        gt=0,
        validation_alias="UPLOAD_TTL",
        description="Seconds for which an unfinished resumable upload is kept after its last byte.",
    )
    probe_timeout_s: float = Field(
        30,
        gt=0,
        le=3600,
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
        le=60_000,
        validation_alias="CONCURRENCY",
        description="Requests at once, fewer where the limit of open files is lower.",
    )
    per_host: int = Field(
        20,
        gt=0,
        le=60_000,
        validation_alias="PER_HOST",
        description="Requests at once to one host.",
    )
    task_ttl_s: int = Field(
        86_400, gt=0, validation_alias="TASK_TTL", description="Seconds for which an ended task is kept."
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
        description="Names of this server, with commas, beside addresses and names without a dot.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="TRUSTED_PROXIES",
        description="Addresses, networks and `unix`, with commas, whose `X-Forwarded-For` is believed.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", validation_alias="LOG_FORMAT", description="`text`, or `json`: an object a line."
    )

    @field_validator("api_token", mode="before")
    @classmethod
    def _strip_token(cls, value: object) -> object:
        """The token without the line end of a file it was read from; what is blank was meant to be one."""
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

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if word != "unix":
                ip_network(word)
        return value

    @property
    def audio_dir(self) -> Path:
        """The folder of the audio files."""
        return self.audio_dir_override or self.data_dir / "audio"


def read_settings() -> Settings:
    """The settings of this process.

    :raises SettingsInvalid: a value cannot be; the text names each field as the environment does.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()]
        raise SettingsInvalid("\n".join(["bad settings:", *lines])) from None
    except UnicodeDecodeError:
        raise SettingsInvalid("bad settings:\n.env: it is not UTF-8") from None
