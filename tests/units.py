"""The systemd unit of deploy/, read as systemd reads it."""

from collections import defaultdict

from tests.processes import ROOT

DEPLOY = ROOT / "deploy"


def read_unit(port: int) -> dict[str, list[str]]:
    """The settings of `gateway@PORT`: all values of each, in order."""
    settings: dict[str, list[str]] = defaultdict(list)
    for line in (DEPLOY / "gateway@.service").read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            settings[name].append(value.replace("%i", str(port)))
    return settings
