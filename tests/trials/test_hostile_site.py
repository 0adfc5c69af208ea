"""One site that answers in chunks of one byte, asked for 1,000 URLs: others are served, and no task changes hands."""

from collections import Counter
from pathlib import Path

import anyio
import httpx
import pytest

from tests.processes import HeartGateway
from tests.site import Line
from tests.tasks.probe.answers import CHUNKED
from tests.tasks.probe.costs import open_elsewhere
from tests.trials.calls import await_end, insist
from tests.trials.conftest import ROOM, Trial
from tests.trials.fleet import fleet

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(120)]

ANSWER = CHUNKED + b"1\r\nb\r\n" * 11_000 + b"0\r\n\r\n"
FEW, MANY = 300, 1_000
HOSTS = 50
"""With 20 connections to each, all of the URLs are out at once."""
HELD_S = 0.25
"""CPU of the event loop's thread between two of its turns; 1,000 plain answers at once hold it for half of that."""
CPU_MS = 5.0
"""Of a URL, all that is done for it included; one such body alone cost 25 to 43."""


def read_cpu_s(pid: int) -> float:
    """The CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def call_others(client: httpx.AsyncClient) -> None:
    """Be another client, all the time."""
    while True:
        assert (await client.get("/healthz")).status_code == 200
        await anyio.sleep(0.02)


async def test_chunks_of_one_byte(trial: Trial, tmp_path: Path) -> None:
    """300, then 1,000 such URLs in one task: all get their code, each is asked once, and the loop goes on."""
    asked: Counter[bytes] = Counter()

    async def script(line: Line) -> None:
        while head := await line.read_head():
            asked[head.split(b" ")[1]] += 1
            await line.send(ANSWER)

    async with fleet(tmp_path, 2, HeartGateway) as all_:
        await all_.start_all()
        one, pids = all_.clients[0], [gateway.process.pid for gateway in all_.gateways]
        with open_elsewhere(script, host="0.0.0.0") as site:
            for number in trial.run(full=6, short=2):
                total = FEW if number == 0 else MANY
                urls = [f"http://127.0.1.{i % HOSTS + 1}:{site.port}/{number}-{i}" for i in range(total)]
                before_s = sum(map(read_cpu_s, pids))
                for client in all_.clients:
                    await client.get("/held")
                async with anyio.create_task_group() as group:
                    for client in all_.clients:
                        group.start_soon(call_others, client)
                    end = await await_end(one, await insist(one, urls, str(number)))
                    group.cancel_scope.cancel()
                held_s = max([(await client.get("/held")).json()["worked_s"] for client in all_.clients])
                cpu_ms = (sum(map(read_cpu_s, pids)) - before_s) / total * 1_000
                trial.check(end["result"] == [200] * total, f"{number}: {end['status']}, {end.get('counts')}")
                trial.check(set(asked.values()) == {1}, f"{number}: a URL was asked {max(asked.values())} times")
                trial.check(held_s < HELD_S * ROOM, f"{number}: the loop was held for {held_s:.2f} s")
                trial.check(cpu_ms < CPU_MS * ROOM, f"{number}: a URL cost {cpu_ms:.1f} ms of CPU")
                trial.figures |= {"loop held": f"{held_s * 1000:.0f} ms", "CPU a URL": f"{cpu_ms:.2f} ms"}
