"""The program: its command line, its log, its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import credentials
from tests.credentials.rows import get, post
from tests.credentials.wire import GET, ask, connect, has_ipv6, process, read_all, read_answer, statuses
from tests.processes import free_port
from tests.programs import need_python

pytestmark = pytest.mark.slow  # each test has a process of its own

CLOSE = get(b"Connection: close")


def no_words() -> dict[str, str]:
    """The environment without what the program reads from it."""
    return {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT")}


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program with these arguments, which it does not survive."""
    command = [sys.executable, credentials.__file__, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=8, env={**no_words(), **environ}, check=False
    )


def test_help_explains_every_option() -> None:
    """--help is exit 0, says in a sentence what this is, and names the options with what they default to."""
    done = run("--help")
    assert done.returncode == 0
    assert "Tells the credentials" in done.stdout
    for line in (
        "--host HOST +name or address to listen on .default: HOST, localhost.",
        "--port PORT +port to listen on .default: PORT, 8888.",
        "--quiet +[a-z ]+",
        "--version +[a-z ']+",
    ):
        assert re.search(f"^ +{line}$", done.stdout, re.MULTILINE)
    assert "Sections" not in done.stdout


@pytest.mark.parametrize("port", ["http", "-1", "65536", "1.5", "", "9" * 5000])
def test_a_bad_port_is_a_usage_error(port: str) -> None:
    """Exit 2 and the usage on standard error."""
    done = run("--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: credentials.py")
    assert port in done.stderr.rpartition("error: ")[2]
    assert done.stdout == ""


def test_a_bad_port_in_the_environment_is_a_usage_error() -> None:
    """PORT is checked like --port."""
    done = run(PORT="http")
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_an_unknown_argument_is_a_usage_error() -> None:
    """Nothing is ignored."""
    assert run("serve").returncode == 2


@pytest.mark.parametrize(
    ("host", "holder"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("localhost", "::1")]
)
def test_a_taken_port_is_one_clear_line(host: str, holder: str) -> None:
    """Exit 1, and one line on standard error that names host and port."""
    if ":" in holder and not has_ipv6():
        pytest.skip("there is no ::1 here")
    with socket.create_server((holder, 0), family=socket.AF_INET6 if ":" in holder else socket.AF_INET) as taken:
        port = str(taken.getsockname()[1])
        done = run(HOST=host, PORT=port)
    assert done.returncode == 1
    assert re.fullmatch(rf"credentials\.py: cannot listen on {host} port {port}: .*in use.*\n", done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "." * 70, "::ffff:192.0.2.1"])
def test_a_host_that_is_not_here_is_one_clear_line(host: str) -> None:
    """A name that does not resolve and an address of another machine end the start."""
    done = run("--host", host, "--port", "0")
    assert done.returncode == 1
    assert re.fullmatch(r"credentials\.py: cannot listen on .*\n", done.stderr)


def test_the_arguments_come_before_the_environment() -> None:
    """--host and --port win over HOST and PORT."""
    with process("--host", "127.0.0.1") as running:
        assert statuses(ask(running.port, CLOSE)) == [200]
        done = run("--port", str(running.port), "--host", "127.0.0.1", HOST="192.0.2.1", PORT="0")
    assert "cannot listen on 127.0.0.1 port" in done.stderr


REFUSING = """
import sys, credentials
def refuse(event, _arguments):
    if event == "socket.getaddrinfo":
        raise OSError("not now")
sys.addaudithook(refuse)
credentials.main()
"""


def test_the_defaults_are_localhost_and_8888() -> None:
    """Without arguments and environment; the port is not taken here, as others may have it."""
    command, folder = [sys.executable, "-c", REFUSING], Path(credentials.__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=8, env=no_words(), cwd=folder, check=False)
    assert done.returncode == 1
    assert done.stderr == "credentials.py: cannot listen on localhost port 8888: not now\n"


def test_the_limit_of_descriptors_is_raised_as_far_as_needed() -> None:
    """To what all connections and the rest take, or to what is allowed; with hardly any there is room for one."""
    need = credentials.Limits.connections + credentials.Limits.spare_files
    for allowed, files, room in ((need + 9, need, 2), (need - 9, need - 9, 2), (40, 40, 1)):
        limited = ("bash", "-c", f'ulimit -Sn 40 && ulimit -Hn {allowed} && exec "$@"', "bash")
        with process("--quiet", "--host", "127.0.0.1", prefix=limited) as running, ExitStack() as stack:
            clients = [stack.enter_context(connect(running.port)) for _ in range(2)]
            for number, client in enumerate(clients):
                client.sendall(GET)
                assert statuses(read_answer(client)) == [200 if number < room else 503]
            limits = Path(f"/proc/{running.child.pid}/limits").read_text(encoding="ascii")
            assert re.search(rf"Max open files +{files} +{allowed} ", limits)


def test_importing_starts_nothing() -> None:
    """The import binds no port, starts no thread, says nothing and leaves no module behind that it could do without."""
    code = "import threading, credentials; print(threading.active_count(), credentials.application is credentials.app)"
    command = [sys.executable, "-W", "error", "-c", code]
    folder = Path(credentials.__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=8, cwd=folder, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 True\n", "")


def test_every_request_is_one_line_of_the_log() -> None:
    """Client, request line, status, body bytes and duration, in the order of the answers."""
    with process() as running:
        ask(running.port, GET + get(line=b"HEAD / HTTP/1.1") + post(b"Content-Length: 2", body=b"ok") + CLOSE)
        running.child.terminate()
        status, out, _ = running.finish()
    assert status == 0
    lines = out.decode().splitlines()
    assert [re.sub(r" [\d.]+ms$", "", line) for line in lines] == [
        '127.0.0.1 "GET /?species=Dalek HTTP/1.1" 200 25',
        '127.0.0.1 "HEAD / HTTP/1.1" 404 0',
        '127.0.0.1 "POST / HTTP/1.1" 405 26',
        '127.0.0.1 "GET /?species=Dalek HTTP/1.1" 200 25',
    ]
    assert all(re.search(r" \d+\.\dms$", line) for line in lines)


def test_the_log_says_how_long_an_answer_took() -> None:
    """In milliseconds, from the first byte of the request on."""
    with process("--host", "127.0.0.1") as running, connect(running.port) as client:
        client.sendall(CLOSE[:9])
        time.sleep(0.2)
        client.sendall(CLOSE[9:])
        read_all(client)
        client.close()
        running.child.terminate()
        _, out, _ = running.finish()
    assert 100 <= float(out.split()[-1].removesuffix(b"ms")) < 9000


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (b'GET /"\\x HTTP/1.1', b"GET /\\x22\\x5cx HTTP/1.1"),
        (b"GET /\x1b[31m\x07 HTTP/1.1", b"GET /\\x1b[31m\\x07 HTTP/1.1"),
        (b"GET /\n127.0.0.1 forged", b"GET /\\x0a127.0.0.1 forged"),
        (b"GET /\r127.0.0.1 forged", b"GET /\\x0d127.0.0.1 forged"),
        (b"GET /caf\xc3\xa9\xe2\x80\xa8\x85 HTTP/1.1", b"GET /caf\\xc3\\xa9\\xe2\\x80\\xa8\\x85 HTTP/1.1"),
        (b"GET /%0d%0aforged HTTP/1.1", b"GET /%0d%0aforged HTTP/1.1"),
    ],
)
def test_nothing_can_be_forged_in_the_log(line: bytes, logged: bytes) -> None:
    """Whatever the client sends, its line is one line of visible ASCII within its quotes."""
    with process("--host", "127.0.0.1") as running:
        ask(running.port, line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
        running.child.terminate()
        _, out, _ = running.finish()
    assert re.fullmatch(rb'127\.0\.0\.1 "' + re.escape(logged) + rb'" 4\d\d \d+ [\d.]+ms\n', out)


def test_quiet_logs_no_request() -> None:
    """--quiet leaves standard output empty; what is wrong still goes to standard error."""
    with process("--quiet") as running:
        ask(running.port, CLOSE)
        running.child.terminate()
        assert running.finish()[:2] == (0, b"")


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    """The reader of standard output has gone: requests are answered, and the end is in order."""
    with process() as running:
        assert running.child.stdout is not None
        running.child.stdout.close()
        running.child.stdout = None
        with connect(running.port) as client:
            for _ in range(3):
                client.sendall(GET)
                assert statuses(read_answer(client)) == [200]
        running.child.terminate()
        status, _, err = running.finish()
    assert status == 0
    assert b"Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    """Exit 0, idle connections closed, nothing on standard error but the listening lines."""
    with process() as running, connect(running.port) as idle, connect(running.port) as silent:
        idle.sendall(GET)
        read_answer(idle)
        running.child.send_signal(number)
        status, _, err = running.finish()
        assert status == 0
        assert (read_all(idle), read_all(silent)) == (b"", b"")
    assert all(line.startswith(b"credentials.py: listening on ") for line in err.splitlines())


def test_what_is_in_flight_is_finished_first() -> None:
    """A request half sent when the signal comes is answered, and told that it is the last; newcomers are not let in."""
    with process() as running, connect(running.port) as head, connect(running.port) as body:
        head.sendall(GET[:20])
        body.sendall(post(b"Content-Length: 5", body=b"he"))
        time.sleep(0.1)
        running.child.terminate()
        assert wait_until_refused(running.port)
        for client, rest, status in ((head, GET[20:], 200), (body, b"llo", 405)):
            client.sendall(rest)
            sent = read_all(client)
            assert statuses(sent) == [status]
            assert b"\r\nConnection: close\r\n" in sent
            client.close()
        assert running.finish()[0] == 0


def wait_until_refused(port: int) -> bool:
    """Whether nobody is let in any more within some seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            connect(port).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False


def test_whom_the_kernel_has_let_in_is_served() -> None:
    """A request that is waiting for the accept when the signal comes is in flight, too, however slow the process is."""
    with process("--quiet", "--host", "127.0.0.1", limits="sweep_s=0.0001") as running:
        running.child.send_signal(signal.SIGSTOP)
        with ExitStack() as stack:
            crowd = [stack.enter_context(connect(running.port)) for _ in range(800)]
            for client in crowd:
                client.sendall(GET)
            running.child.terminate()
            running.child.send_signal(signal.SIGCONT)
            for client in crowd:
                assert statuses(read_all(client)) == [200]
        assert running.finish()[0] == 0


def test_requests_already_sent_are_answered_after_the_signal() -> None:
    """A pipeline that is under way is answered to its end."""
    with process("--quiet") as running, connect(running.port) as client:
        client.sendall(GET * 500)
        read_some = client.recv(1)
        running.child.terminate()
        sent = read_some + read_all(client)
        assert statuses(sent) == [200] * 500
        client.close()
        assert running.finish()[0] == 0


def test_running_out_of_descriptors_is_survived() -> None:
    """With 64 descriptors the crowd gets 503 or waits, no cycles are burnt, and afterwards all is well."""
    limited = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash")
    with process("--quiet", prefix=limited) as running:
        crowd = [connect(running.port) for _ in range(100)]
        crowd[-1].settimeout(0.5)
        refused = [client for client in crowd[16:40] if statuses(client.recv(65536)) == [503]]
        assert refused
        before = cpu_s(running.child.pid)
        time.sleep(1)
        assert cpu_s(running.child.pid) - before < 0.5
        for client in crowd:
            client.close()
        answers = []
        for _ in range(50):
            answers = statuses(ask(running.port, CLOSE))
            if answers == [200]:
                break
            time.sleep(0.1)
        assert answers == [200]
        running.child.terminate()
        status, _, err = running.finish()
    assert status == 0
    assert b"Traceback" not in err


def test_it_ends_in_order_even_without_descriptors() -> None:
    """The crowd holds every descriptor when the signal comes: exit 0 within seconds, and nothing is reported."""
    limited = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash")
    with process("--quiet", prefix=limited) as running, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(running.port))
        time.sleep(0.5)
        running.child.terminate()
        status, out, err = running.finish()
    assert (status, out) == (0, b"")
    assert all(line.startswith(b"credentials.py: listening on ") for line in err.splitlines())


def test_what_never_ends_is_cut_off() -> None:
    """A request that does not become whole within the time for what is in flight does not hold up the end."""
    with process("--quiet", limits="shutdown_s=0.3") as running, connect(running.port) as client:
        client.sendall(GET + GET[:-2])
        read_answer(client)
        started = time.monotonic()
        running.child.terminate()
        status, _, err = running.finish()
        assert (status, read_all(client)) == (0, b"")
        assert time.monotonic() - started < 5
    assert b"Traceback" not in err


def cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_an_older_python_is_told_so_in_one_line(version: str) -> None:
    """Before anything that it does not have is imported; exit 1."""
    python = need_python(version)
    done = subprocess.run([python, credentials.__file__], capture_output=True, text=True, timeout=8, check=False)
    assert done.returncode == 1
    assert done.stderr == f"credentials.py needs Python 3.11 or later; this is Python {version}\n"


def test_the_version_is_told() -> None:
    """--version names the program and its version on standard output."""
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"credentials.py {credentials.__version__}\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_stops_reading_stops_nothing(stream: str) -> None:
    """With a full pipe behind one of the standard streams every request is answered, and SIGTERM ends it in order."""
    with process("--host", "127.0.0.1") as running:
        pipe = getattr(running.child, stream)
        fill_pipe(running.child.pid, 1 if stream == "stdout" else 2)
        for _ in range(20):
            assert statuses(ask(running.port, GET * 100 + CLOSE)) == [200] * 101
        running.child.terminate()
        assert running.child.wait(timeout=9) == 0
        pipe.close()
        setattr(running.child, stream, None)


def test_a_log_ends_with_its_last_line() -> None:
    """All that was written before the end is in the file, and the thread is gone."""
    with tempfile.TemporaryFile() as file:
        log = credentials.Log(file.fileno())
        for number in range(1000):
            log.write(f"{number}\n")
        log.finish()
        assert not log.thread.is_alive()
        file.seek(0)
        assert file.read().split() == [b"%d" % number for number in range(1000)]


def test_a_log_with_a_full_pipe_holds_little() -> None:
    """Lines over the limit are dropped, the end does not wait for the reader, and what was taken arrives whole."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    log = credentials.Log(writer, limit_bytes=200_000)
    for _ in range(100_000):
        log.write("0123456789\n")
    assert len(log.lines) <= 200_000 + 11
    started = time.monotonic()
    log.finish(0.2)
    assert time.monotonic() - started < 2
    got = b""
    end = time.monotonic() + 5
    while log.thread.is_alive() and time.monotonic() < end:
        with suppress(BlockingIOError):
            got += os.read(reader, 65536)
    assert not log.thread.is_alive()
    with suppress(BlockingIOError):
        got += os.read(reader, 65536)
    assert set(got.splitlines()) == {b"0123456789"}
    assert len(got) >= 200_000
    os.close(reader)
    os.close(writer)


def fill_pipe(pid: int, number: int) -> None:
    """Fill the pipe that is this descriptor of a process, until nothing more fits in."""
    descriptor = os.open(f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"\n" * 65536)
    os.close(descriptor)


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_stop_nothing(closed: str) -> None:
    """It serves without them, and what it logs never reaches a client, whose connection could have their numbers."""
    port = free_port()
    command = [sys.executable, credentials.__file__, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(["bash", "-c", f'exec "$@" {closed}', "bash", *command]) as child:
        try:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                with suppress(ConnectionRefusedError):
                    answer = ask(port, GET * 3 + CLOSE)
                    break
                time.sleep(0.05)
            assert statuses(answer) == [200] * 4
            assert answer.count(b"HTTP/1.1") == 4
            child.terminate()
            assert child.wait(timeout=9) == 0
        finally:
            child.kill()


def test_it_runs_under_the_wsgi_of_hypercorn() -> None:
    """`hypercorn credentials:application` answers as its own server does, HEAD and OPTIONS too."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "credentials:application"]
    folder = Path(credentials.__file__).parent
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as child:
        try:
            end = time.monotonic() + 8
            codes: list[int] = []
            while not codes and time.monotonic() < end:
                with suppress(ConnectionRefusedError):
                    for line in (b"GET /?species=Dalek", b"HEAD /?species=Dalek", b"OPTIONS /", b"GET /", b"POST /"):
                        sent = ask(port, get(b"Connection: close", line=line + b" HTTP/1.1"))
                        codes.append(int(sent.split()[1]))
                time.sleep(0.05)
            assert codes == [200, 200, 204, 404, 405]
        finally:
            child.terminate()
