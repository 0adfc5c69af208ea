"""How far a task is, in a sentence. Pure."""

from datetime import datetime

from gateway.web.i18n import Translator

from .chips import count_bad
from .models import Task, TaskStatus
from .shown import show_seconds


def describe_task(task: Task, words: Translator, now: datetime) -> str:
    """How much of a task is known and how soon it ends, or what became of it."""
    done, total = words.figure(task.done), words.figure(task.total)
    if task.status is TaskStatus.READY:
        return _describe_end(count_bad(task.counts), task.total, words) + _describe_time(task, words)
    if task.status is TaskStatus.CANCELLED:
        return words("stopped at {done} of {total}", done=done, total=total)
    if not task.done:
        return words("queued: none of {total} is known yet", total=total)
    said = words("{done} of {total}", done=done, total=total)
    rate = task.done / max((now - task.created_at).total_seconds(), 0.001)
    left = show_seconds(words, (task.total - task.done) / rate)
    if rate >= 1:
        said += " · " + words("{n} a second", n=words.figure(round(rate)))
    return f"{said} · {words('{time} left', time=left)}" if task.done < task.total else said


def _describe_end(bad: int, total: int, words: Translator) -> str:
    if not bad:
        return words("All {n} answer", n=words.figure(total)) if total > 1 else words("It answers")
    if bad == total:
        return words("All {n} are bad", n=words.figure(total)) if total > 1 else words("It is bad")
    return words("{bad} of {total} are bad", bad=words.figure(bad), total=words.figure(total))


def _describe_time(task: Task, words: Translator) -> str:
    if task.finished_at is None:
        return ""
    return " · " + words("in {time}", time=show_seconds(words, (task.finished_at - task.created_at).total_seconds()))


def describe_kinds(kinds: dict[str, int], task: Task, words: Translator) -> str:
    """The codes of a task as a sentence: what its bar shows."""
    said = [f"{words('No answer') if kind == 'none' else kind}: {words.figure(kinds[kind])}" for kind in sorted(kinds)]
    if task.done < task.total:
        said.append(f"{words('not known yet')}: {words.figure(task.total - task.done)}")
    return ", ".join(said)
