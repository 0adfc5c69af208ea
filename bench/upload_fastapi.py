"""A form of 500 MB into the gateway beside FastAPI and uvicorn (bench/peers.py), both sent by curl.

Ours is fsynced, judged and linked before the answer; the peer only writes. They take turns; the best turn of each
counts. Memory is the most that the gateway held during its turns, over what it held before.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from stand import ROOT, Server, find_port, make_wav, running, running_gateway, tell, time_curl, wait_ready

SIZE_BYTES = 500_000_000
TURNS = 5


def main() -> None:
    """Print a line a turn, and the two results."""
    best: dict[str, float] = {"FastAPI": 1e9, "gateway": 1e9}
    peak_bytes = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sound = make_wav(folder / "sound.wav", SIZE_BYTES)
        port = find_port()
        serve = [sys.executable, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        stack.enter_context(running([*serve, "--port", str(port), "--app-dir", str(ROOT / "bench"), "peers:uploads"],
                                    folder))  # fmt: skip
        wait_ready(f"http://127.0.0.1:{port}/openapi.json")
        gateway: Server = stack.enter_context(running_gateway(folder))
        urls = {"FastAPI": f"http://127.0.0.1:{port}/", "gateway": f"{gateway.url}/api/v1/audio/"}
        gateway.read_peak_bytes()
        before_bytes = gateway.read_peak_bytes()
        for turn in range(TURNS):
            for name, url in urls.items():
                taken_s = time_curl("-F", f"file=@{sound};filename={turn}.wav", url)
                best[name] = min(best[name], taken_s)
                print(f"{name:<8} {taken_s:5.2f} s  {SIZE_BYTES / taken_s / 1e6:4.0f} MB/s", flush=True)
                if name == "gateway":
                    peak_bytes = max(peak_bytes, gateway.read_peak_bytes())
                    subprocess.run(["curl", "-s", "-X", "DELETE", f"{url}{turn}.wav"], check=True)
                else:
                    (folder / f"{turn}.wav").unlink()
    tell("upload of a 500 MB form", "FastAPI + uvicorn, no fsync", best["gateway"] / best["FastAPI"], at_most=1)
    tell("memory for it", "at rest", (peak_bytes - before_bytes) / 2**20, at_most=32, unit=" MiB")


if __name__ == "__main__":
    main()
