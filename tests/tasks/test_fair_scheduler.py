"""Whose turn it is."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.fair_scheduler import FairScheduler, Turn


@dataclass(eq=False)
class Errand:
    """A job for the schedule."""

    task: str
    host: str
    started: bool = False


def fill(schedule: FairScheduler[Errand], *errands: tuple[str, str]) -> list[Errand]:
    """Add (task, host) errands."""
    made = [Errand(task, host) for task, host in errands]
    for errand in made:
        schedule.add(errand.task, errand)
    return made


def take(schedule: FairScheduler[Errand]) -> Turn[Errand]:
    """The next job, which there has to be."""
    turn = schedule.take()
    assert turn is not None
    return turn


def test_round_robin() -> None:
    """Tasks take turns, however many jobs each has."""
    schedule = FairScheduler[Errand](slots=1000, per_host=100)
    fill(schedule, *[("long", f"h{i}") for i in range(5)], ("short", "h"))
    taken = [turn.task for _ in range(3) if (turn := schedule.take())]
    assert taken == ["long", "short", "long"]


def test_per_host() -> None:
    """No more jobs of a host are out than allowed, and a full host holds up no other."""
    schedule = FairScheduler[Errand](slots=1000, per_host=2)
    fill(schedule, *[("a", "busy")] * 5, ("a", "calm"))
    turns = [turn for _ in range(6) if (turn := schedule.take())]
    assert Counter(turn.job.host for turn in turns) == {"busy": 2, "calm": 1}
    assert schedule.take() is None
    schedule.release(turns[0])
    turn = schedule.take()
    assert turn is not None
    assert turn.job.host == "busy"
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
    shared = Errand("a", "h")
    schedule.add("a", shared)
    schedule.add("b", shared)
    first = take(schedule)
    assert first.job is shared
    shared.started = True
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
    turns = [take(schedule) for _ in range(45)]
    assert schedule.take() is None
    fill(schedule, *[("short", f"h{i}") for i in range(10)])
    assert [take(schedule).task for _ in range(4)] == ["short"] * 4
    assert schedule.take() is None
    for turn in turns[:5]:
        assert schedule.take() is None
        schedule.release(turn)
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
    turn = take(schedule)
    assert turn.job is first
    assert schedule.hold("busy")
    assert not schedule.hold("busy")
    schedule.release(turn)
    assert take(schedule).job.host == "calm"
    assert schedule.take() is None
    assert set(map(id, schedule.free("busy"))) == set(map(id, others[:2]))
    assert {take(schedule).task, take(schedule).task} == {"a", "b"}
    assert schedule.hold("busy")


@given(
    st.integers(1, 3),
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=30),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost(per_host: int, slots: int, wanted: list[tuple[str, str]], random: Any) -> None:
    """Whatever the order of calls, every job is taken once, limits and holds are kept, and nothing is stuck."""
    schedule = FairScheduler[Errand](slots=slots, per_host=per_host)
    waiting = [Errand(task, host) for task, host in wanted]
    out: list[Turn[Errand]] = []
    taken: list[Errand] = []
    held: set[str] = set()
    added = 0
    while len(taken) < len(waiting) or out:
        choice = random.random()
        if choice < 0.4 and added < len(waiting):
            schedule.add(waiting[added].task, waiting[added])
            added += 1
        elif choice < 0.5:
            host = random.choice("xyz")
            assert schedule.hold(host) == (host not in held)
            held.add(host)
        elif choice < 0.7 and held:
            schedule.free(held.pop())
        elif (turn := schedule.take()) is not None:
            turn.job.started = True
            assert turn.job.host not in held
            out.append(turn)
            taken.append(turn.job)
            assert len(out) <= slots
            assert max(Counter(turn.job.host for turn in out).values()) <= per_host
        elif out:
            schedule.release(out.pop(random.randrange(len(out))))
        else:
            assert held or len(taken) == added
    assert sorted(map(id, taken)) == sorted(map(id, waiting))
