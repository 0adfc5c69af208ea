"""The order in which jobs go out."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tasks.fair_scheduler import FairScheduler, Slot
from gateway.tasks.probe.urls import Site


@dataclass(eq=False)
class Errand:
    """A job for the schedule."""

    task: str
    site: Site
    dispatches: int = 0

    @property
    def host(self) -> str:
        """Where it goes."""
        return self.site.host


def name_site(host: str, port: int = 80) -> Site:
    """A site of a host."""
    return Site(host, f"http://{host}:{port}")


def fill(schedule: FairScheduler[Errand], *errands: tuple[str, str]) -> list[Errand]:
    """Add (task, host) errands."""
    made = [Errand(task, name_site(host)) for task, host in errands]
    for errand in made:
        schedule.add(errand.task, errand)
    return made


def take(schedule: FairScheduler[Errand]) -> Slot[Errand]:
    """The next job, which there has to be."""
    slot = schedule.take()
    assert slot is not None
    return slot


def test_round_robin() -> None:
    """Tasks take turns, however many jobs each has."""
    schedule = FairScheduler[Errand](slots=1000, per_host=100)
    fill(schedule, *[("long", f"h{i}") for i in range(5)], ("short", "h"))
    taken = [slot.task for _ in range(3) if (slot := schedule.take())]
    assert taken == ["long", "short", "long"]


def test_per_host() -> None:
    """No more jobs of a host are out than allowed, and a full host holds up no other."""
    schedule = FairScheduler[Errand](slots=1000, per_host=2)
    fill(schedule, *[("a", "busy")] * 5, ("a", "calm"))
    slots = [slot for _ in range(6) if (slot := schedule.take())]
    assert Counter(slot.job.host for slot in slots) == {"busy": 2, "calm": 1}
    assert schedule.take() is None
    schedule.release(slots[0])
    slot = schedule.take()
    assert slot is not None
    assert slot.job.host == "busy"
    assert schedule.take() is None


def test_short_task_on_a_full_host() -> None:
    """A one-job task on the host that a long task fills gets a slot after the next few that free, not after all."""
    schedule = FairScheduler[Errand](slots=1000, per_host=2)
    fill(schedule, *[("long", "h")] * 1000)
    out = [take(schedule), take(schedule)]
    assert schedule.take() is None
    fill(schedule, ("short", "h"))
    seen = []
    for _ in range(3):
        schedule.release(out.pop(0))
        out.append(take(schedule))
        seen.append(out[-1].task)
    assert "short" in seen


def test_started_elsewhere() -> None:
    """A job that another lane has started is passed over, and its slot goes to who waits."""
    schedule = FairScheduler[Errand](slots=1000, per_host=1)
    shared = Errand("a", name_site("h"))
    schedule.add("a", shared)
    schedule.add("b", shared)
    first = take(schedule)
    assert first.job is shared
    assert schedule.take() is None
    fill(schedule, ("c", "h"))
    schedule.release(first)
    assert take(schedule).task == "c"


def test_remove_hands_on_the_slot() -> None:
    """A task that was next for a slot and leaves does not keep the others waiting."""
    schedule = FairScheduler[Errand](slots=1000, per_host=1)
    fill(schedule, ("a", "h"), ("a", "h"), ("b", "h"))
    first = take(schedule)
    assert schedule.take() is None
    schedule.release(first)
    left = schedule.remove("a")
    assert [errand.task for errand in left] == ["a"]
    assert take(schedule).task == "b"


def test_remove_and_come_back() -> None:
    """A task that left while it was parked, and comes back, has each of its jobs out once."""
    schedule = FairScheduler[Errand](slots=1000, per_host=1)
    fill(schedule, ("a", "h"), ("b", "h"))
    first = take(schedule)
    assert schedule.take() is None
    schedule.remove("b")
    fill(schedule, ("b", "h"), ("b", "i"))
    schedule.release(first)
    assert [take(schedule).job.host, take(schedule).job.host] == ["h", "i"]
    assert schedule.take() is None


def test_reserve() -> None:
    """The last tenth of the slots goes to tasks with few jobs out, one after the other."""
    schedule = FairScheduler[Errand](slots=50, per_host=100)
    fill(schedule, *[("long", f"h{i}") for i in range(60)])
    slots = [take(schedule) for _ in range(45)]
    assert schedule.take() is None
    fill(schedule, *[("short", f"h{i}") for i in range(10)])
    assert [take(schedule).task for _ in range(4)] == ["short"] * 4
    assert schedule.take() is None
    for slot in slots[:5]:
        assert schedule.take() is None
        schedule.release(slot)
    assert take(schedule)
    assert schedule.take() is None


def test_one_slot() -> None:
    """A single slot is for everybody: nothing can be kept back of it."""
    schedule = FairScheduler[Errand](slots=1, per_host=1)
    fill(schedule, *[("a", f"h{i}") for i in range(9)])
    for _ in range(9):
        schedule.release(take(schedule))
    assert schedule.take() is None


def test_hold() -> None:
    """The jobs of a held host wait without a slot, the others go on; `free` names those that have waited."""
    schedule = FairScheduler[Errand](slots=100, per_host=5)
    first, *others = fill(schedule, ("a", "busy"), ("a", "busy"), ("b", "busy"), ("a", "calm"))
    slot = take(schedule)
    assert slot.job is first
    assert schedule.hold(name_site("busy"))
    assert not schedule.hold(name_site("busy"))
    schedule.release(slot)
    assert take(schedule).job.host == "calm"
    assert schedule.take() is None
    assert set(map(id, schedule.free(name_site("busy")))) == set(map(id, others[:2]))
    assert {take(schedule).task, take(schedule).task} == {"a", "b"}
    assert schedule.hold(name_site("busy"))


def test_hold_is_for_one_origin() -> None:
    """A hold keeps no other port of its host waiting, also where a task was woken for a slot that it cannot use."""
    schedule = FairScheduler[Errand](slots=100, per_host=1)
    first, held, other = (Errand(task, name_site("h", port)) for task, port in (("a", 80), ("b", 80), ("c", 81)))
    for errand in (first, held, other):
        schedule.add(errand.task, errand)
    slot = take(schedule)
    assert schedule.take() is None
    schedule.hold(first.site)
    schedule.release(slot)
    assert take(schedule).job is other
    assert schedule.take() is None
    assert schedule.free(first.site) == [held]


def test_job_that_goes_on_elsewhere() -> None:
    """A job that comes back for another site has one more turn there, and the slot of its first site is free."""
    schedule = FairScheduler[Errand](slots=100, per_host=1)
    moving, staying = fill(schedule, ("a", "x"), ("b", "x"))
    schedule.add("b", moving)
    slot = take(schedule)
    assert slot.job is moving
    moving.site = name_site("y")
    schedule.release(slot)
    for task in ("a", "b"):
        schedule.add(task, moving)
    slots = [take(schedule), take(schedule)]
    assert {slot.site.host: slot.job for slot in slots} == {"x": staying, "y": moving}
    assert schedule.take() is None
    for slot in slots:
        schedule.release(slot)
    assert schedule.take() is None
    assert schedule.busy == 0


@settings(max_examples=40)
@given(
    st.integers(1, 3),
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from([80, 81])), max_size=30),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost(per_host: int, slots: int, wanted: list[tuple[str, str, int]], random: Any) -> None:
    """Whatever the order of calls, every job has its turns, limits and holds are kept, and none is stuck."""
    schedule = FairScheduler[Errand](slots=slots, per_host=per_host)
    waiting = [Errand(task, name_site(host, port)) for task, host, port in wanted]
    out: list[Slot[Errand]] = []
    ended: list[Errand] = []
    held: set[Site] = set()
    added = 0
    while len(ended) < len(waiting):
        choice = random.random()
        if choice < 0.4 and added < len(waiting):
            schedule.add(waiting[added].task, waiting[added])
            added += 1
        elif choice < 0.5:
            site = name_site(random.choice("xyz"), random.choice([80, 81]))
            assert schedule.hold(site) == (site not in held)
            held.add(site)
        elif choice < 0.7 and held:
            schedule.free(held.pop())
        elif (slot := schedule.take()) is not None:
            assert slot.site == slot.job.site
            assert slot.site not in held
            out.append(slot)
            assert len(out) <= slots
            assert max(Counter(slot.site.host for slot in out).values()) <= per_host
        elif out:
            slot = out.pop(random.randrange(len(out)))
            moves = random.random() < 0.3
            slot.job.site = name_site(random.choice("xyz")) if moves else slot.site
            schedule.release(slot)
            if moves:
                for task in {slot.job.task, random.choice("abc")}:
                    schedule.add(task, slot.job)
            else:
                ended.append(slot.job)
        else:
            assert held or len(ended) == added
    assert sorted(map(id, ended)) == sorted(map(id, waiting))
    assert schedule.busy == 0
