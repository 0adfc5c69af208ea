"""How a task comes into Redis and is taken from the queue, on a real Redis: in order, late, twice, or not at all."""

from typing import Any
from uuid import UUID

import pytest

from gateway.datastore.client import Datastore, KeyCorrupted, RedisUnavailable
from gateway.errors import NotFound, Unprocessable
from gateway.process.shutdown import Shutdown
from gateway.tasks import queue as queue_module
from gateway.tasks.idempotency import identify
from gateway.tasks.models import NewTask, TaskStatus
from gateway.tasks.probe.request import ProbeOptions
from gateway.tasks.queue import Claim, Queue
from gateway.tasks.record import CREATE, TaskCounts
from gateway.tasks.results.selection import Selection
from gateway.tasks.store import PROTECTED_S, Store

pytestmark = pytest.mark.anyio

NEW = NewTask(urls=["http://a/", "http://b/"])
LOST = str(UUID(int=7, version=4))


@pytest.fixture
async def queue(datastore: Datastore) -> Queue:
    """An empty queue."""
    queue = Queue(datastore)
    await queue.prepare()
    return queue


@pytest.fixture
def store(datastore: Datastore, queue: Queue) -> Store:
    """A store on it."""
    return Store(datastore, queue, Shutdown(), task_ttl_s=3600)


async def take_abandoned(queue: Queue, claims: list[Claim]) -> list[Claim]:
    """The same tasks, as another gateway takes them over."""
    await queue.release(claims)
    return await queue.take_abandoned(10)


async def test_entry_without_a_task(redis: Any, store: Store, queue: Queue) -> None:
    """A POST that died behind its first step leaves nothing: its entry waits once, and is then given up."""
    await queue.put(LOST, 2)
    claims = await queue.take()
    with pytest.raises(RedisUnavailable):
        await store.take_task(claims[0])
    (claim,) = await take_abandoned(queue, claims)
    assert await store.take_task(claim) is None
    await queue.acknowledge(claim)
    assert await queue.measure() == (0, 0)
    with pytest.raises(NotFound):
        await store.read_task(UUID(LOST))
    assert 0 < await redis.ttl(f"gateway:{{{LOST}}}:task") <= 300


async def test_task_that_comes_too_late(datastore: Datastore, redis: Any, store: Store, queue: Queue) -> None:
    """A POST that was stopped until its entry was given up stores nothing more, and says so; the next one may."""
    entry = await queue.put(LOST, 2)
    (claim,) = await take_abandoned(queue, await queue.take())
    assert await store.take_task(claim) is None
    late = await datastore.eval(CREATE, [f"gateway:{{{LOST}}}:task"], ["entry", entry, "status", "running"])
    again = await datastore.eval(CREATE, [f"gateway:{{{LOST}}}:task"], ["entry", b"9-9", "status", "running"])
    assert (late, again) == (b"given up", b"made")
    assert await redis.ttl(f"gateway:{{{LOST}}}:task") == -1


async def test_task_in_two_entries(store: Store, queue: Queue) -> None:
    """Two POSTs of one key at the same moment queue two entries: the task is worked on through one of them alone."""
    identity = identify("key", b"body")
    await queue.put(str(identity.id), 2)
    first = await store.add_task(NEW, identity)
    second = await store.add_task(NEW, identity)
    claims = [claim for _ in range(2) for claim in await queue.take()]
    jobs = [await store.take_task(claim) for claim in claims]
    assert first.id == second.id
    assert [job and job.urls for job in jobs] == [None, NEW.urls]


@pytest.mark.parametrize("follow", [False, True])
async def test_options(redis: Any, store: Store, queue: Queue, *, follow: bool) -> None:
    """A gateway takes the options of a task as they were sent, also those that the version before stored as one bit."""
    task = await store.add_task(NewTask(urls=["http://a/"], follow_redirects=follow))
    (claim,) = await queue.take()
    key, options = f"gateway:{{{task.id}}}:task", ProbeOptions(follow_redirects=follow)
    taken = await store.take_task(claim)
    assert await redis.hget(key, "follow") == str(int(follow)).encode()
    await redis.hdel(key, "options")
    old = await store.take_task(claim)
    again = await store.read_again(task.id, Selection())
    assert taken is not None
    assert old is not None
    assert (taken.options, old.options) == (options, options)
    assert again.follow_redirects == follow


async def test_option_of_a_later_version(redis: Any, store: Store, queue: Queue) -> None:
    """A task with an option that this version does not know is left to the gateways that know it."""
    task = await store.add_task(NEW)
    (claim,) = await queue.take()
    await redis.hset(f"gateway:{{{task.id}}}:task", "options", '{"follow_redirects": true, "later": 1}')
    with pytest.raises(KeyCorrupted):
        await store.take_task(claim)


@pytest.mark.parametrize("cancelled", [False, True], ids=["ready", "cancelled"])
async def test_headers_are_forgotten(redis: Any, store: Store, queue: Queue, *, cancelled: bool) -> None:
    """The headers of a task, which may have a password, are kept until it has ended, and no longer."""
    secret = ProbeOptions(headers={"Authorization": "Bearer of-the-site"})
    task = await store.add_task(NewTask(urls=["http://a/"], headers=secret.headers))
    (claim,) = await queue.take()
    work = await store.take_task(claim)
    assert work
    assert work.options == secret
    if cancelled:
        await store.cancel_task(task.id)
    else:
        await store.finish_task(claim.task, [200], TaskCounts())
    fields = await redis.hgetall(f"gateway:{{{task.id}}}:task")
    assert b"of-the-site" not in b"".join(fields.values())


async def test_same_key(store: Store) -> None:
    """A key gives one task, whatever it looks like; with another body it is refused."""
    keys = ["a", "b", '"a"', "{a}:task", "a" * 255]
    made = [await store.add_task(NEW, identify(key, b"body")) for key in keys]
    again = [await store.add_task(NEW, identify(key, b"body")) for key in keys]
    assert [task.id for task in made] == [task.id for task in again]
    assert len({task.id for task in made}) == len(keys)
    assert {task.id.version for task in made} == {4}
    with pytest.raises(Unprocessable):
        await store.add_task(NEW, identify("a", b"other"))


async def test_refused_task_leaves_no_entry(redis: Any, store: Store, queue: Queue) -> None:
    """A task that Redis refuses to store is taken off the queue again."""
    identity = identify("key", b"body")
    await redis.set(f"gateway:{{{identity.id}}}:task", "x")
    with pytest.raises(KeyCorrupted):
        await store.add_task(NEW, identity)
    await store.add_task(NEW, identify("other", b"body"))
    assert await queue.measure() == (1, 2)


async def test_task_that_cannot_be_listed(datastore: Datastore, store: Store, queue: Queue) -> None:
    """A task that is stored when Redis begins to refuse is a task; it is listed once it is taken from the queue."""
    client = datastore.client()
    await client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~gateway:{*")  # all but the list
    try:
        task = await store.add_task(NEW, identify("key", b"body"))
    finally:
        await client.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert await store.recent.list_tasks(0, 10) == []
    (claim,) = await queue.take()
    assert await store.take_task(claim)
    assert [listed.id for listed in await store.recent.list_tasks(0, 10)] == [task.id]


async def test_ended_tasks_expire(datastore: Datastore, redis: Any, queue: Queue) -> None:
    """A task that has ended gets its expiry once it was protected; one that runs never does."""
    store = Store(datastore, queue, Shutdown(), task_ttl_s=PROTECTED_S)  # it expires when that is over
    ended, running = [await store.add_task(NEW) for _ in range(2)]
    await store.cancel_task(ended.id)
    for claim in [claim for _ in range(2) for claim in await queue.take()]:
        await queue.acknowledge(claim)
    await store.expire_tasks()
    assert (await store.read_task(ended.id)).status is TaskStatus.CANCELLED
    await redis.zadd("gateway:{queue}:ended", {str(ended.id): 0, str(running.id): 0, "\ud7ff odd": 0})
    await store.expire_tasks()
    assert await redis.zcard("gateway:{queue}:ended") == 0
    with pytest.raises(NotFound):
        await store.read_task(ended.id)
    assert (await store.read_task(running.id)).status is TaskStatus.RUNNING


async def test_many_ended_tasks_expire(datastore: Datastore, redis: Any, queue: Queue) -> None:
    """However many tasks have ended, and whatever else is on their list, all get their expiry at once."""
    store = Store(datastore, queue, Shutdown(), task_ttl_s=3600)
    tasks = [str(UUID(int=number, version=4)) for number in range(250)]
    for task in tasks:
        await redis.hset(f"gateway:{{{task}}}:task", "status", "ready")
    await redis.zadd("gateway:{queue}:ended", {b"\xff%d" % number: 0 for number in range(100)})
    await redis.zadd("gateway:{queue}:ended", dict.fromkeys(tasks, 1))
    await store.expire_tasks()
    assert await redis.zcard("gateway:{queue}:ended") == 0
    assert {await redis.ttl(f"gateway:{{{task}}}:task") > 0 for task in tasks} == {True}


async def test_work_goes_on_without_its_entry(redis: Any, store: Store, queue: Queue) -> None:
    """A gateway goes on with a task whose entry somebody has removed: no other gateway can have it."""
    task = await store.add_task(NEW)
    (claim,) = await queue.take()
    await redis.xack("gateway:{queue}", queue_module._GROUP, claim.entry)
    await redis.xdel("gateway:{queue}", claim.entry)
    assert await queue.renew([claim]) == {claim.entry}
    assert await store.is_running(str(task.id))
