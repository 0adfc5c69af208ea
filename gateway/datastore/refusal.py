"""What an error reply of Redis is about: the server, which refuses to work, or a value, which has another form.

Redis knows the two by words alone (RESP: the first word of an error, or "ERR" and a sentence), and Redis 6.2 puts the
error of a command inside a sentence of the script around it. No client library is known here.
"""

import re
from textwrap import shorten

_OF_A_VALUE = re.compile(
    r"\b(WRONGTYPE|INVALIDOBJ)\b"
    r"|(?<!@)\buser_script:\d+: "  # Lua itself failed, on what it read
    r"|not an integer|not a valid float|not a number|overflow|out of range|exhausted|exceeds|equal or smaller"
)
_WORD = re.compile(r"\b(?!ERR\b)[A-Z]{3,}\b")
_FRAME = re.compile(r"^Error running script \(call to \w+\): (@user_script: ?\d+: )*-?|(?<!failure in) script: .*")
_ARGUMENTS = re.compile(r",? with args beginning with.*", re.DOTALL)

NO_MEMORY = "OOM"
HINTS = dict.fromkeys(("ASK", "CLUSTERDOWN", "MOVED"), " (a node of a Cluster takes redis+cluster://)")
"""What helps against a refusal, for the log."""
READS_GO_ON = frozenset({NO_MEMORY, "MISCONF"})
"""Refusals of a primary that only writes meet. A READONLY or NOREPLICAS server may be one that a failover has left:
what it holds may be older than the truth."""


def is_about_value(error: Exception) -> bool:
    """Whether a command failed on what a key holds. Every other error reply is the server's refusal."""
    return _OF_A_VALUE.search(_ARGUMENTS.sub("", str(error))) is not None


def describe_refusal(error: Exception) -> str:
    """The error reply in one line for the log, with its first word, and without arguments: a password may be one."""
    word = getattr(error, "status_code", None) or ""  # redis-py takes it off the text
    text = _FRAME.sub("", _ARGUMENTS.sub("", str(error)))
    return shorten(text if text.startswith(word) else f"{word} {text}", 200)


def name_refusal(described: str) -> str:
    """The word that tells one kind of refusal from another: READONLY, OOM, NOPERM; the sentence where there is none."""
    found = _WORD.search(described)
    return found[0] if found else described
