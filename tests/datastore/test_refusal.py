"""What error replies are about, in the words of Redis 6.2, Redis 7.0 and Valkey 9."""

import pytest
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError

from gateway.datastore.refusal import describe_refusal, is_about_value, name_refusal

IN_A_SCRIPT = "Error running script (call to f_1f8f4cfba6f3375f8c4ec02b9de4361a5dea5c64): @user_script:1: "


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{IN_A_SCRIPT}@user_script: 1: -READONLY You can't write against a read only replica.", "READONLY"),
        (f"{IN_A_SCRIPT}@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        (f"{IN_A_SCRIPT}@user_script: 1: -NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        (f"{IN_A_SCRIPT}@user_script: 1: -MISCONF Errors writing to the AOF file: No space left", "MISCONF"),
        ("NOREPLICAS Not enough good replicas to write. script: on @user_script:1.", "NOREPLICAS"),
        ("NOREPLICAS Not enough good replicas to write. script: 1f8f, on @user_script:1.", "NOREPLICAS"),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY"),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", "UNBLOCKED"),
        (f"{IN_A_SCRIPT}@user_script: 1: Unknown Redis command called from Lua script", None),
        ("Unknown Redis command called from script script: 2169, on @user_script:1.", None),
        ("Unknown command called from script script: on @user_script:1.", None),
        (f"{IN_A_SCRIPT}@user_script: 1: The user executing the script can't run this command or subcommand", None),
        ("ACL failure in script: No permissions to access a key script: on @user_script:1.", None),
        ("unknown command `XAUTOCLAIM`, with args beginning with: `not an integer`, ", "XAUTOCLAIM"),
        ("max daily request limit exceeded. Limit: 10000, Usage: 10000.", None),
    ],
)
def test_server_refuses(text: str, name: str | None) -> None:
    """A refusal is told from a spoilt value, also inside the error of a script, and is known by its own word."""
    error = ResponseError(text)
    assert not is_about_value(error)
    described = describe_refusal(error)
    assert described
    assert "user_script" not in described
    assert name is None or name_refusal(described) == name


@pytest.mark.parametrize(
    "text",
    [
        f"{IN_A_SCRIPT}WRONGTYPE Operation against a key holding the wrong kind of value",
        "WRONGTYPE Operation against a key holding the wrong kind of value script: on @user_script:1.",
        f"{IN_A_SCRIPT}ERR value is not an integer or out of range",
        "value is not an integer or out of range script: 3249, on @user_script:1.",
        f"{IN_A_SCRIPT}user_script:1: attempt to compare nil with number",
        "user_script:1: attempt to perform arithmetic on a string value script: on @user_script:1.",
        f"{IN_A_SCRIPT}user_script:1: bad argument #1 to 'unpack' (table expected, got nil)",
        "resulting score is not a number (NaN) script: on @user_script:1.",
        "increment or decrement would overflow",
        "The stream has exhausted the last possible ID, unable to add more items",
    ],
)
def test_value_is_spoilt(text: str) -> None:
    """A command or a script that failed on what a key holds is no refusal."""
    assert is_about_value(ResponseError(text))


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (ReadOnlyError("You can't write.", status_code="READONLY"), "READONLY You can't write."),
        (OutOfMemoryError("command not allowed", status_code="OOM"), "OOM command not allowed"),
        (NoPermissionError("no permissions", status_code="NOPERM"), "NOPERM no permissions"),
        (ResponseError("NOREPLICAS Not enough"), "NOREPLICAS Not enough"),
        (ResponseError("unknown command", status_code="ERR"), "ERR unknown command"),
        (
            ResponseError("zadd: ERR ACL failure in script: User a has no permissions to run the 'zadd' command"),
            "zadd: ERR ACL failure in script: User a has no permissions to run the 'zadd' command",
        ),
        (ResponseError("unknown command `AUTH`, with args beginning with: `s3cret`, "), "unknown command `AUTH`"),
        (ResponseError("one\r\ntwo " + "x" * 500), "one two [...]"),
    ],
)
def test_refusal_is_one_line(error: Exception, described: str) -> None:
    """The words for the log begin with the server's own word, are one line, and repeat no argument."""
    assert describe_refusal(error) == described
