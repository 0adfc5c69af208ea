"""What is said of links whose truth is known, beside `curl --fail -L`, which knows the code of one attempt alone.

The links are those of tests/links.py: bot protection, rate limits, logins, transient failures, dead links.
A false alarm is a link that lives and is called broken; a missed one is dead and called good. `unsure` is neither.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from stand import ROOT, Server, running_gateway, tell

sys.path.insert(0, str(ROOT))
from tests.links import ALIVE, DEAD, LINKS, LinkSite

CURL = ["curl", "-s", "--fail", "-L", "--max-redirs", "10", "--max-time", "5", "-o", "/dev/null"]
DEADLINE_S = "12"


def ask_gateway(server: Server, urls: list[str]) -> list[str]:
    """The verdict of each URL."""
    task = server.call("POST", "/api/v1/tasks/", {"urls": urls, "follow_redirects": True})
    while task["status"] == "running":
        task = server.call("GET", f"/api/v1/tasks/{task['id']}")
    return [probe["verdict"] for probe in server.call("GET", f"/api/v1/tasks/{task['id']}/probes")["probes"]]


def ask_curl(urls: list[str]) -> list[str]:
    """`ok` or `broken` for each URL."""
    return ["broken" if subprocess.run([*CURL, url], check=False).returncode else "ok" for url in urls]


def find_wrong(verdicts: list[str]) -> tuple[list[str], list[str]]:
    """The links that live and are called broken, and those that are dead and called good."""
    judged = list(zip(LINKS, verdicts, strict=True))
    alarms = [link.path for link, verdict in judged if link in ALIVE and verdict == "broken"]
    return alarms, [link.path for link, verdict in judged if link in DEAD and verdict in ("ok", "moved")]


async def main() -> None:
    """Print what each says wrongly."""
    with tempfile.TemporaryDirectory() as name, running_gateway(Path(name), PROBE_TIMEOUT=DEADLINE_S) as server:
        said = {}
        async with LinkSite() as site:
            said["gateway"] = await asyncio.to_thread(ask_gateway, server, site.urls)
        async with LinkSite() as site:
            said["curl --fail -L"] = await asyncio.to_thread(ask_curl, site.urls)
    rates = {}
    for who, verdicts in said.items():
        alarms, missed = find_wrong(verdicts)
        rates[who] = 100 * len(alarms) / len(ALIVE)
        print(f"{who}: false alarms {len(alarms)} of {len(ALIVE)}: {' '.join(alarms)}")
        print(f"{who}: missed {len(missed)} of {len(DEAD)}: {' '.join(missed)}; unsure {verdicts.count('unsure')}")
    peer = f"curl --fail -L: {rates['curl --fail -L']:.0f} %"
    tell("false alarms of a link check", peer, rates["gateway"], at_most=0, unit=" %")


if __name__ == "__main__":
    asyncio.run(main())
