"""Who may import whom: the rules that keep every part replaceable, checked over the syntax trees."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway"
CLIENTS = [ROOT / "crawl.py", ROOT / "screwdriver.py", *sorted((ROOT / "gateway_client").glob("*.py"))]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(GATEWAY.rglob("*.py"))
}

PARSERS = {f"gateway.audio.{name}" for name in ("boxes", "chunks", "frames", "headers", "ogg", "reader")}
PURE = {
    **{short: set[str]() for short in ("errors", "contract", "tasks.urls", "tasks.targets", "tasks.schedule")},
    "tasks.models": {"gateway.tasks.urls"},
    **{short: set[str]() for short in ("settings", "forwarded", "limiter", "logs", "refusal")},
    **{name.removeprefix("gateway."): PARSERS for name in (*sorted(PARSERS), "gateway.audio.sniff")},
}
"""Modules that import nothing of ours but `errors`; the parsers of audio call on each other."""
OWNERS = {
    "quart": {
        "factory",
        "guard",
        "operations",
        "reference",
        "static",
        "edge",
        "event_stream",
        "audio.views",
        "audio.page",
        "audio.tus",
        "tasks.views",
    },
    "redis": {"datastore", "address", "health"},
    "aiohttp": {"tasks.answer", "tasks.names", "tasks.probe", "tasks.resolve", "tasks.transport"},
    "ada_url": {"tasks.urls"},
    "yarl": {"tasks.transport"},
    "pycares": {"tasks.names"},
    "filetype": {"audio.sniff"},
    "tinytag": {"audio.tags"},
    "pydantic_settings": {"settings"},
    "dotenv": set(),
    "prometheus_client": {"metrics"},
    "hypercorn": {"http1", "__main__"},
    "h11": {"framing"},
    "httpx": set(),
}
STANDARD = sys.stdlib_module_names


def find_imports(path: Path, package: str = "") -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything that a file imports; `from . import x` gives the name of x."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            base = parts[: len(parts) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if node.module is None or f"{name}.{node.names[0].name}" in MODULES:
                yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, name


def imports_of(module: str) -> list[tuple[str, str]]:
    """("file:line", name) of everything a module of the gateway imports."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return [(f"{path.relative_to(ROOT)}:{line}", name) for line, name in find_imports(path, package)]


def inside(name: str, *modules: str) -> bool:
    """Whether `name` is one of `modules` or in one of them."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


@pytest.mark.parametrize("module", MODULES)
def test_features_are_strangers(module: str) -> None:
    """audio and tasks never import each other, and neither knows the settings."""
    for feature, forbidden in (("audio", "tasks"), ("tasks", "audio")):
        if inside(module, f"gateway.{feature}"):
            wrong = [
                place
                for place, name in imports_of(module)
                if inside(name, f"gateway.{forbidden}", "gateway.settings", "gateway.factory")
            ]
            assert not wrong


@pytest.mark.parametrize(("short", "company"), PURE.items())
def test_pure_modules(short: str, company: set[str]) -> None:
    """The modules at the bottom import nothing of ours but the errors."""
    wrong = [
        f"{place} {name}"
        for place, name in imports_of(f"gateway.{short}")
        if inside(name, "gateway") and not inside(name, "gateway.errors", *company)
    ]
    assert not wrong


@pytest.mark.parametrize(("library", "owners"), OWNERS.items())
def test_one_owner(library: str, owners: set[str]) -> None:
    """Every library stands behind the modules that own it."""
    wrong = [
        place
        for module in MODULES
        for place, name in imports_of(module)
        if inside(name, library) and not inside(module, *(f"gateway.{owner}" for owner in owners))
    ]
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_factory_is_on_top(module: str) -> None:
    """Only the factory knows everybody, only the package calls it, and only settings read the environment."""
    wrong = [
        place
        for place, name in imports_of(module)
        if (inside(name, "gateway.factory") and module != "gateway")
        or (inside(name, "gateway.settings") and module != "gateway.factory")
    ]
    source = MODULES[module].read_text(encoding="utf-8")
    assert not wrong
    assert module in ("gateway.settings", "gateway.__main__") or not {"environ", "getenv"} & {
        node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    }


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_clients_stand_alone(path: Path) -> None:
    """The command lines import nothing of the gateway."""
    names = list(find_imports(path, "gateway_client"))
    assert not [line for line, name in names if inside(name, "gateway")]


def test_credentials_stand_alone() -> None:
    """credentials.py imports nothing but the standard library."""
    names = list(find_imports(ROOT / "credentials.py"))
    assert names
    assert not [line for line, name in names if name.partition(".")[0] not in STANDARD]


def test_no_loose_tasks() -> None:
    """Every coroutine lives in a task group: no create_task, ensure_future or add_background_task."""
    loose = {"create_task", "ensure_future", "add_background_task", "run_in_executor"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in loose
    ]
    assert not wrong
