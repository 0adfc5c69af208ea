"""REDIS_URL: what it may say, and that nothing else is taken or told."""

from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster, SSLConnection

from gateway.datastore.url import RedisAddress, RedisUrlInvalid, parse_redis_url


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "options"),
    [
        ("redis://", "standalone", [("localhost", 6379)], {}),
        ("redis://db.example:7000/3", "standalone", [("db.example", 7000)], {"db": 3}),
        ("REDIS://[::1]:7000", "standalone", [("::1", 7000)], {}),
        ("redis://:p%40ss%2F@h", "standalone", [("h", 6379)], {"password": "p@ss/"}),
        ("redis://me:p:q@h", "standalone", [("h", 6379)], {"username": "me", "password": "p:q"}),
        ("redis://h/?db=4&socket_timeout=9", "standalone", [("h", 6379)], {"db": 4, "socket_timeout": 9.0}),
        ("rediss://h", "standalone", [("h", 6379)], {"ssl": True}),
        ("unix:///run/my%20redis.sock?db=2", "standalone", [], {"path": "/run/my redis.sock", "db": 2}),
        ("unix://me:pw@/run/r.sock", "standalone", [], {"username": "me", "password": "pw", "path": "/run/r.sock"}),
        ("redis+cluster://a:1,b", "cluster", [("a", 1), ("b", 6379)], {}),
        ("rediss+cluster://u:p@[::1]:1,b/0", "cluster", [("::1", 1), ("b", 6379)], {"username": "u", "ssl": True}),
        ("redis+sentinel://a:1,b,[::1]:5/main", "sentinel", [("a", 1), ("b", 26379), ("::1", 5)], {}),
        ("redis+sentinel://:p@a/main/2", "sentinel", [("a", 26379)], {"password": "p", "db": 2}),
    ],
)
def test_address_says_what_the_url_says(
    url: str, kind: str, nodes: list[tuple[str, int]], options: dict[str, object]
) -> None:
    """Every form of the URL gives its hosts, its database and its options."""
    address = parse_redis_url(url)
    assert (address.kind, list(address.nodes)) == (kind, nodes)
    assert options.items() <= address.options.items()
    assert address.service == ("main" if kind == "sentinel" else "")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://h:6379",
        "redis:/h",
        "redis://h:port",
        "redis://h:0",
        "redis://h:65536",
        "redis://:sec/ret@h",
        "redis://h/name",
        "redis://h/-1",
        "redis://h/²",
        "redis://a,b",
        "redis://h?db=x",
        "redis://h?no_such_option=1",
        *(
            f"redis{kind}://h{path}?{option}"
            for kind, path in (("", ""), ("+cluster", ""), ("+sentinel", "/main"))
            for option in (
                "decode_responses=yes", "encoding=cp1251", "encoding_errors=replace", "protocol=3", "protocol=4",
                "legacy_responses=no", "retry=1", "credential_provider=x", "path=/run/r.sock", "host=other", "ssl=yes",
                "socket_timeout=nan", "socket_timeout=inf", "socket_timeout=0", "socket_timeout=-1",
                "socket_connect_timeout=nan", "max_connections=0", "max_connections=-1", "socket_read_size=0",
                "health_check_interval=-1", "db=-1",
            )
        ),
        "redis://::1:6379",
        "rediss://h?ssl_cert_reqs=sometimes",
        "unix://run/redis.sock",
        "unix://",
        "unix+cluster:///run/redis.sock",
        "redis+cluster://h/1",
        "redis+sentinel://h",
        "redis+sentinel://h/main/x",
        "redis+sentinel://h/main?no_such_option=1",
        "redis+cluster://h?no_such_option=1",
        "redis+other://h",
    ],
)  # fmt: skip
def test_malformed_url_is_refused(url: str) -> None:
    """What is no address of Redis stops the start with one line that names REDIS_URL."""
    with pytest.raises(RedisUrlInvalid) as caught:
        parse_redis_url(url)
    assert "REDIS_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:s3cret@h:port",
        "redis://me:s3/s3cret@h",
        "redis://me:s3cret@h/x",
        "redis://me:s3cret@h?db=s3cret",
        "redis://me:s3cret@h?password=s3cret&no_such_option=s3cret",
        "s3cret://h",
        "redis://h#s3cret",
    ],
)
def test_refusal_tells_no_password(url: str) -> None:
    """The line about a malformed URL holds nothing of what may be a password."""
    with pytest.raises(RedisUrlInvalid) as caught:
        parse_redis_url(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:s3cret@h:1/2",
        "redis://h:1/2?password=s3cret",
        "unix://me:s3cret@/run/r",
        "rediss+sentinel://me:s3cret@h/main?sentinel_password=s3cret",
        "redis+cluster://me:s3cret@h:1",
    ],
)
def test_shown_address_has_no_password(url: str) -> None:
    """What logs show of an address is without user, password and options."""
    address = parse_redis_url(url)
    assert "s3cret" not in address.shown + repr(address)
    assert "me" not in address.shown


def test_options() -> None:
    """The options that the documentation names are taken."""
    query = (
        "socket_timeout=3&socket_connect_timeout=0.5&max_connections=9&socket_keepalive=yes&socket_read_size=4096"
        "&health_check_interval=30&client_name=me&db=1&username=a&password=b"
    )
    client, _ = parse_redis_url(f"rediss://h?{query}&ssl_cert_reqs=none&ssl_check_hostname=no").open_client(1)
    assert client.get_connection_kwargs()["client_name"] == "me"
    parse_redis_url(f"redis+sentinel://h/main?{query}&sentinel_username=c&sentinel_password=d").open_client(1)


def test_client_is_of_the_kind_of_the_address() -> None:
    """A cluster gets a cluster client, TLS a TLS connection, and making either opens nothing."""
    assert isinstance(parse_redis_url("redis+cluster://h").open_client(1)[0], RedisCluster)
    client, _ = parse_redis_url("rediss://h").open_client(1)
    assert isinstance(client, Redis)
    assert client.connection_pool.connection_class is SSLConnection


def test_blocking_client_outlasts_a_short_timeout_of_the_url() -> None:
    """A socket_timeout in the URL lengthens the time for an answer and never shortens it."""
    address = parse_redis_url("redis://h?socket_timeout=0.1")
    client, _ = address.open_client(2.7)
    assert client.get_connection_kwargs()["socket_timeout"] == 2.7


def test_address_of_a_socket_needs_no_url(tmp_path: Path) -> None:
    """The embedded server's address is made of its path alone, whatever characters stand in it."""
    path = str(tmp_path / "dä ta?#" / "redis.sock")
    client, _ = RedisAddress("standalone", "here", options={"path": path}).open_client(1)
    assert client.get_connection_kwargs()["path"] == path
