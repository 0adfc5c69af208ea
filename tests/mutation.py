"""`make mutants`: mutmut puts small faults into the modules of pyproject.toml; prints those that no test sees.

Works on a copy, in which `lru_cache` is put on a function at the end of its module, as mutmut leaves decorated ones
alone; in which a script runs the `main` of its module, as mutmut knows no `__main__`; and with the hooks of reach.py.
Reports neither a change of words in a sentence, nor what mutants.toml explains; the report stays in .mutants/report.
All of it takes about four hours on two idle cores. A test that fails on a busy machine counts as a fault seen.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".mutants"
EXPLAINED = ROOT / "tests/mutants.toml"
REPORT = COPY / "report"
MUTMUT = f"{sysconfig.get_path('scripts')}/mutmut"
STRING = re.compile(r"""(["'])((?:(?!\1).)*)\1""")
WORDS = re.compile(r"[a-z]+ [a-z]+", re.IGNORECASE)
SCRIPT = ('__name__ == "__main__":', '__name__ == "__main__":\n    from credentials import main')
CACHE = re.compile(r"^@(lru_cache\(.*\))\ndef (\w+)", re.MULTILINE)


def copy_tree() -> list[str]:
    """Copies what git knows; the modules to be changed."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)
    modules: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
    for module in modules:
        code = (COPY / module).read_text()
        cached = (f"{name} = {cache}({name})\n" for cache, name in CACHE.findall(code))
        (COPY / module).write_text(CACHE.sub(r"def \2", code).replace(*SCRIPT) + "\n\n" + "".join(cached))
    with (COPY / "tests/conftest.py").open("a") as conftest:
        conftest.write("\nfrom tests.reach import *\n")
    return modules


def read_results() -> dict[str, str]:
    """What became of each mutant, by its name."""
    output = subprocess.check_output([MUTMUT, "results", "--all", "true"], cwd=COPY, text=True)
    return dict(line.strip().split(": ") for line in output.splitlines() if "__mutmut_" in line)


def show_change(mutant: str) -> tuple[str, str]:
    """The line as it is, and as the mutant has it."""
    output = subprocess.check_output([MUTMUT, "show", mutant], cwd=COPY, text=True)
    lines = [line for line in output.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    before, after = ("".join(line[1:].strip() for line in lines if line[0] == mark) for mark in "-+")
    return before, after


def drop_sentences(line: str) -> str:
    """The line without those of its strings that are words."""
    return STRING.sub(lambda match: "" if WORDS.search(match[2]) else match[0], line)


def read_explained(module: str) -> re.Pattern[str]:
    """The lines of a module that mutants.toml has an explanation for; in them … stands for anything."""
    reasons: dict[str, list[str]] = tomllib.loads(EXPLAINED.read_text()).get(module, {})
    return re.compile("|".join(re.escape(line).replace("…", ".*") for lines in reasons.values() for line in lines))


def report(module: str, ends: dict[str, str]) -> int:
    """Tells the counts of a module and what is new; how many that are."""
    survivors = [mutant for mutant, end in ends.items() if end not in ("killed", "timeout")]
    counts, explained = Counter[str](), read_explained(module)
    tell(f"{module}: {len(ends)} mutants, {len(ends) - len(survivors)} killed, {len(survivors)} survived")
    for mutant in survivors:
        before, after = show_change(mutant)
        if drop_sentences(before) == drop_sentences(after):
            counts["words"] += 1
        elif explained.fullmatch(after):
            counts["explained"] += 1
        else:
            counts["new"] += 1
            tell(f"  {mutant}: {ends[mutant]}\n    - {before}\n    + {after}")
    tell(f"  of them {counts['words']} change words, {counts['explained']} are explained, {counts['new']} are new")
    return counts["new"]


def tell(line: str) -> None:
    """Print a line, and add it to the report."""
    print(line, flush=True)
    with REPORT.open("a") as report:
        report.write(f"{line}\n")


def main() -> int:
    """Runs mutmut for the mutants whose names match the arguments, or for all of them."""
    modules, patterns, log = copy_tree(), sys.argv[1:], COPY / "run.log"
    run = [MUTMUT, "run", "--max-children", str(os.cpu_count() or 1), *patterns]
    print(f"mutmut says in {log.relative_to(ROOT)} how far it is", flush=True)
    with log.open("w") as output:
        done = subprocess.run(run, cwd=COPY, check=False, stdout=output, stderr=output)
    if done.returncode:
        return done.returncode
    results, new = read_results(), 0
    for module in modules:
        prefix = module.removesuffix(".py").replace("/", ".") + "."
        ends = {m: end for m, end in results.items() if m.startswith(prefix) and end != "not checked"}
        new += report(module, ends) if ends else 0
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
