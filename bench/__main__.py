"""All measurements one after another, and their results in one table.

Usage: python bench [NAME…]
"""

import subprocess
import sys
from pathlib import Path

from stand import RESULT


def main() -> int:
    """The exit code: 1 if a measurement failed."""
    names = sys.argv[1:] or [""]
    rows: list[str] = []
    failed = False
    for bench in sorted(Path(__file__).parent.glob("*_*.py")):
        if bench.name.startswith("_") or not any(name in bench.stem for name in names):
            continue
        print(f"== {bench.name}", flush=True)
        with subprocess.Popen([sys.executable, bench], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if line.startswith(RESULT):
                    rows.append(line.removeprefix(RESULT).rstrip())
        failed = failed or process.returncode != 0
    print("\n| work | beside | target | measured |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row} |")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
