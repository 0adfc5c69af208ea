"""Writes the tables of the documentation from the code: `make docs`; with --check it only says which are not so.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`, and NAME is a key of `TABLES`. What a table says is
said in the code once: by a setting, a contract, an error class, an option of a command line, or the head of a module.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from command_help import ROOT, read_help

sys.path.insert(0, str(ROOT))

import gateway
from gateway.datastore.health import COMMANDS
from gateway.errors import GatewayError
from gateway.factory import create_app
from gateway.openapi.operations import Parameter
from gateway.settings import Settings
from gateway.web.docs import list_routes

_TABLE = re.compile(r"(<!-- table: ([\w./ -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def list_documents() -> list[Path]:
    """The files of the documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def write_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def write_settings() -> str:
    """Name, default and meaning of every setting."""
    rows = []
    for field in Settings.model_fields.values():
        default = "unset" if field.default in (None, ()) else f"`{field.default}`"
        rows.append((f"`{field.validation_alias}`", default, field.description or ""))
    return write_table(("name", "default", "what it is"), rows)


def write_calls(tag: str) -> str:
    """The calls of one part of the API, with the names of their parameters."""
    rows = []
    app = create_app(Settings(_env_file=None))
    for route in sorted(list_routes(app, needs_token=False), key=lambda route: (route.rule, route.endpoint)):
        if route.tag != tag or (route.method == "HEAD" and "head" not in route.endpoint):
            continue
        given = [each if isinstance(each, Parameter) else each.parameter for each in route.operation.parameters]
        names = ", ".join(f"`{each.name}`" for each in given)
        path = route.path.replace("{", "<").replace("}", ">")
        rows.append((f"`{route.method} {path}`", route.operation.summary, names))
    return write_table(("call", "what it does", "parameters, headers"), rows)


def write_problems() -> str:
    """The status and the stable word of every refusal."""
    for module in walk_packages(gateway.__path__, "gateway."):
        import_module(module.name)
    kinds: dict[tuple[int, str], str] = {}
    for kind in _list_subclasses(GatewayError):
        words = (kind.__doc__ or "").partition("\n")[0]
        if kind.__module__ == "gateway.errors" or (kind.status, kind.code) not in kinds:
            kinds[kind.status, kind.code] = words
    rows = [(str(status), f"`{code}`", words) for (status, code), words in sorted(kinds.items())]
    return write_table(("status", "the end of its `type`", "when"), rows)


def _list_subclasses(kind: type[GatewayError]) -> list[type[GatewayError]]:
    found = []
    for child in kind.__subclasses__():
        found += [child, *_list_subclasses(child)]
    return found


def write_options(script: str, *verb: str) -> str:
    """The options of a command line, as its --help tells them."""
    options = read_help(script, *verb).options
    rows = [("`" + option.label.replace(", ", "`, `") + "`", option.summary) for option in options]
    return write_table(("option", "what it does"), rows)


def write_acl() -> str:
    """The commands that the gateway needs of a Redis, as ACL SETUSER takes them."""
    return (
        "```\nACL SETUSER gateway reset on >PASSWORD ~gateway:* "
        + " ".join(f"+{name}" for name in COMMANDS)
        + "\n```\n"
    )


def write_modules(folder: str) -> str:
    """The modules of a package, each with the sentences of its first line, or all of its first sentence."""
    rows = []
    for path in sorted((ROOT / folder).glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found = re.match(r".*\.(?= |$)", text, re.MULTILINE) or re.match(r"(?s).*?\.(?=\s|$)", text)
        words = found[0].replace("\n", " ") if found else ""
        if path.name != "__init__.py":
            rows.append((f"[`{path.name}`](../{path.relative_to(ROOT)})", words))
    return write_table(("module", "what it owns"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": write_settings,
    "problems": write_problems,
    "acl": write_acl,
    **{f"calls {tag}": lambda tag=tag: write_calls(tag)  # type: ignore[misc]
       for tag in ("audio", "page", "docs", "operations", "static", "tasks", "uploads")},
    **{f"options {words}": lambda words=words: write_options(*words.split())  # type: ignore[misc]
       for words in ("crawl.py", "screwdriver.py", "screwdriver.py upload", "screwdriver.py list",
                     "screwdriver.py download", "screwdriver.py rename", "screwdriver.py delete", "credentials.py")},
    **{f"modules {folder}": lambda folder=folder: write_modules(folder)  # type: ignore[misc]
       for folder in (
           "gateway", "gateway/web", "gateway/openapi", "gateway/ops", "gateway/process", "gateway/datastore",
           "gateway/audio", "gateway/audio/formats", "gateway/audio/uploads", "gateway/tasks", "gateway/tasks/probe",
           "gateway_client",
       )},
}  # fmt: skip


def main() -> int:
    """Write, or check."""
    check = "--check" in sys.argv[1:]
    stale, seen = [], set()
    for path in list_documents():
        before = path.read_text(encoding="utf-8")
        seen |= {found[2] for found in _TABLE.finditer(before)}
        after = _TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], before)
        if before != after:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(after, encoding="utf-8")
    missing = sorted(set(TABLES) - seen)
    print(*(f"{path}: tables are not what the code says; run `make docs`" for path in stale if check), sep="\n")
    print(*(f"no document has the table: {name}" for name in missing), sep="\n")
    return 1 if missing or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
