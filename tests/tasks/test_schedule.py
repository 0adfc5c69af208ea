"""Whose turn it is."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.schedule import Schedule


@dataclass(eq=False)
class Errand:
    """A job for the schedule."""

    task: str
    host: str
    started: bool = False


def fill(schedule: Schedule[Errand], *errands: tuple[str, str]) -> list[Errand]:
    """Add (task, host) errands."""
    made = [Errand(task, host) for task, host in errands]
    for errand in made:
        schedule.add(errand.task, errand)
    return made


def test_round_robin() -> None:
    """Tasks take turns, however many jobs each has."""
    schedule = Schedule[Errand](per_host=100)
    fill(schedule, *[("long", f"h{i}") for i in range(5)], ("short", "h"))
    taken = [errand.task for _ in range(3) if (errand := schedule.take())]
    assert taken == ["long", "short", "long"]


def test_per_host() -> None:
    """No more jobs of a host are out than allowed, and a full host holds up no other."""
    schedule = Schedule[Errand](per_host=2)
    fill(schedule, *[("a", "busy")] * 5, ("a", "calm"))
    taken = Counter(errand.host for _ in range(6) if (errand := schedule.take()))
    assert taken == {"busy": 2, "calm": 1}
    assert schedule.take() is None
    schedule.release("busy")
    errand = schedule.take()
    assert errand is not None
    assert errand.host == "busy"
    assert schedule.take() is None


def test_short_task_on_a_full_host() -> None:
    """A one-job task on the host that a long task fills gets a slot after the next few that free, not after all."""
    schedule = Schedule[Errand](per_host=2)
    fill(schedule, *[("long", "h")] * 1000)
    assert schedule.take()
    assert schedule.take()
    assert schedule.take() is None
    fill(schedule, ("short", "h"))
    seen = []
    for _ in range(3):
        schedule.release("h")
        errand = schedule.take()
        assert errand is not None
        seen.append(errand.task)
    assert "short" in seen


def test_started_elsewhere() -> None:
    """A job that another lane has started is passed over, and its slot goes to who waits."""
    schedule = Schedule[Errand](per_host=1)
    shared = Errand("a", "h")
    schedule.add("a", shared)
    schedule.add("b", shared)
    first = schedule.take()
    assert first is shared
    shared.started = True
    assert schedule.take() is None
    fill(schedule, ("c", "h"))
    schedule.release("h")
    last = schedule.take()
    assert last is not None
    assert last.task == "c"


def test_remove_hands_on_the_slot() -> None:
    """A task that was next for a slot and leaves does not keep the others waiting."""
    schedule = Schedule[Errand](per_host=1)
    fill(schedule, ("a", "h"), ("a", "h"), ("b", "h"))
    assert schedule.take()
    assert schedule.take() is None
    schedule.release("h")
    left = schedule.remove("a")
    assert [errand.task for errand in left] == ["a"]
    errand = schedule.take()
    assert errand is not None
    assert errand.task == "b"


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=30),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost(per_host: int, wanted: list[tuple[str, str]], random: object) -> None:
    """Whatever the order of calls, every job is taken once, hosts stay within their limit, and nothing is stuck."""
    schedule = Schedule[Errand](per_host=per_host)
    waiting = [Errand(task, host) for task, host in wanted]
    out: list[Errand] = []
    taken: list[Errand] = []
    added = 0
    busy: defaultdict[str, int] = defaultdict(int)
    while len(taken) < len(waiting) or out:
        choice = random.random()  # type: ignore[attr-defined]
        if choice < 0.4 and added < len(waiting):
            schedule.add(waiting[added].task, waiting[added])
            added += 1
            continue
        errand = schedule.take()
        if errand is not None:
            errand.started = True
            busy[errand.host] += 1
            assert busy[errand.host] <= per_host
            out.append(errand)
            taken.append(errand)
        elif out:
            done = out.pop(random.randrange(len(out)))  # type: ignore[attr-defined]
            busy[done.host] -= 1
            schedule.release(done.host)
        else:
            assert len(taken) == added
            if added == len(waiting):
                break
    assert sorted(map(id, taken)) == sorted(map(id, waiting))
