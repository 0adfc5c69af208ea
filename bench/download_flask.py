"""500 MB out of the gateway beside gunicorn and Flask with sendfile (bench/peers.py); and 200 slow readers of it.

Both are fetched by curl; they take turns, and the best turn of each counts. A slow reader takes 64 KiB a second; its
cost is the most memory that the gateway held meanwhile, over what it held before.
"""

import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from stand import (
    ROOT,
    Server,
    find_port,
    make_wav,
    raise_file_limit,
    running,
    running_gateway,
    tell,
    time_curl,
    wait_ready,
)

SIZE_BYTES = 500_000_000
TURNS = 5
READERS = 200
READING_S = 6


def measure_readers(gateway: Server) -> float:
    """Bytes of memory for each of the slow readers."""
    gateway.read_peak_bytes()
    before_bytes = gateway.read_peak_bytes()
    port = int(gateway.url.rpartition(":")[2])
    with ExitStack() as stack:
        readers = []
        for _ in range(READERS):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            reader.connect(("127.0.0.1", port))
            reader.sendall(b"GET /audio/sound.wav HTTP/1.1\r\nHost: localhost\r\n\r\n")
            readers.append(reader)
        for _ in range(READING_S):
            for reader in readers:
                if not reader.recv(65536):
                    raise SystemExit("a slow reader was cut")
            begun = time.perf_counter()
            time_curl(f"{gateway.url}/api/v1/audio/")
            print(f"with {READERS} slow readers the list takes {time.perf_counter() - begun:.3f} s", flush=True)
            time.sleep(1)
        return (gateway.read_peak_bytes() - before_bytes) / READERS


def main() -> None:
    """Print a line a turn, and the two results."""
    raise_file_limit()
    best: dict[str, float] = {"Flask": 1e9, "gateway": 1e9}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        library = folder / "data/audio"
        library.mkdir(parents=True)
        make_wav(library / "sound.wav", SIZE_BYTES)
        port = find_port()
        serve = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--pythonpath", str(ROOT / "bench")]
        stack.enter_context(running([*serve, "--chdir", str(library), "peers:downloads"], folder))
        wait_ready(f"http://127.0.0.1:{port}/")
        gateway = stack.enter_context(running_gateway(folder))
        urls = {"Flask": f"http://127.0.0.1:{port}/sound.wav", "gateway": f"{gateway.url}/audio/sound.wav"}
        for _ in range(TURNS):
            for name, url in urls.items():
                taken_s = time_curl(url)
                best[name] = min(best[name], taken_s)
                print(f"{name:<8} {taken_s:5.2f} s  {SIZE_BYTES / taken_s / 1e6:5.0f} MB/s", flush=True)
        reader_bytes = measure_readers(gateway)
    tell("download of 500 MB", "gunicorn + Flask, sendfile", best["gateway"] / best["Flask"], at_most=2.0)
    tell(f"memory for each of {READERS} slow readers", "at rest", reader_bytes / 1024, at_most=512, unit=" KiB")


if __name__ == "__main__":
    main()
