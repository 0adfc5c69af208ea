"""Import rules: which module may import which, checked over the syntax trees."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway"
CLIENTS = [ROOT / "crawl.py", ROOT / "screwdriver.py", *sorted((ROOT / "gateway_client").glob("*.py"))]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(GATEWAY.rglob("*.py"))
}

LAYERS = (
    ("errors",),
    ("settings", "process"),
    ("openapi", "datastore"),
    ("web",),
    ("audio", "tasks"),
    ("ops", "hypercorn_fixes"),
    ("hypercorn_accept",),
    ("factory", "__main__"),
)
"""From the ground up: a part imports parts of lower layers and itself."""
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}
GROUND = {
    "errors": (),
    "settings": (),
    "process": ("process",),
    "openapi": ("openapi",),
    "audio.formats": ("audio.formats",),
    "tasks.models": ("tasks.probe.request", "tasks.probe.urls"),
    "tasks.probe.request": (),
    "tasks.probe.hosts": (),
    "tasks.probe.urls": ("tasks.probe.hosts",),
    "tasks.probe.address_policy": (),
    "tasks.fair_scheduler": ("tasks.probe.urls",),
}
"""Modules and folders that import nothing of the gateway but `errors` and these."""
OWNERS = {
    "quart": (
        "factory",
        "web",
        "ops",
        "audio.views",
        "audio.archive",
        "audio.page",
        "audio.exports",
        "audio.uploads.form",
        "audio.uploads.tus",
        "tasks.views",
        "tasks.page",
    ),
    "redis": ("datastore",),
    "aiohttp": (),
    "aiohappyeyeballs": ("tasks.probe.connector",),
    "ada_url": ("settings", "tasks.probe.urls"),
    "pycares": ("tasks.probe.resolver",),
    "filetype": ("audio.formats.detect",),
    "tinytag": ("audio.tags",),
    "pydantic_settings": ("settings",),
    "dotenv": ("settings",),
    "prometheus_client": ("ops.metrics",),
    "h11": ("web.framing",),
    "hypercorn": ("hypercorn_fixes", "hypercorn_accept", "__main__"),
    "httpx": (),
}
"""Libraries, and the modules that may import them."""
ENVIRONMENT = ("gateway.settings",)


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def find_imports(path: Path, package: str = "") -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything that a file imports; `from . import x` gives the name of x."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            base = parts[: len(parts) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{name}.{alias.name}"
                yield node.lineno, inner if node.module is None or inner in MODULES else name


@cache
def imports_of(module: str) -> list[tuple[str, str]]:
    """("file:line", name) of everything a module of the gateway imports."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return [(f"{path.relative_to(ROOT)}:{line}", name) for line, name in find_imports(path, package)]


def inside(name: str, *modules: str) -> bool:
    """Whether `name` is one of `modules` or in one of them."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def inside_gateway(name: str, *parts: str) -> bool:
    """The same for parts of the gateway, named without it."""
    return inside(name, *(f"gateway.{part}" for part in parts))


@pytest.mark.parametrize("module", [name for name in MODULES if name != "gateway"])
def test_layers(module: str) -> None:
    """Imports run one way: factory, ops, audio and tasks, web, openapi and datastore, process, errors."""
    part = module.split(".")[1]
    wrong = [
        f"{place} {name}"
        for place, name in imports_of(module)
        if inside(name, "gateway")
        and name != "gateway"
        and name.split(".")[1] != part
        and LAYER_OF[name.split(".")[1]] >= LAYER_OF[part]
    ]
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_settings_stay_on_top(module: str) -> None:
    """Only the factory and the command import the settings, only the package the factory; the rest gets values."""
    allowed = {
        "gateway.factory": "gateway.settings",
        "gateway.__main__": "gateway.settings",
        "gateway": "gateway.factory",
    }
    wrong = [
        place
        for place, name in imports_of(module)
        if inside_gateway(name, "settings", "factory") and name != allowed.get(module)
    ]
    assert not wrong


@pytest.mark.parametrize("module", [name for name in MODULES if inside_gateway(name, *GROUND)])
def test_ground_floor(module: str) -> None:
    """The pure modules import nothing of the gateway but the errors and their own folder."""
    company = next(company for part, company in GROUND.items() if inside_gateway(module, part))
    wrong = [
        f"{place} {name}"
        for place, name in imports_of(module)
        if inside(name, "gateway") and not inside_gateway(name, "errors", *company)
    ]
    assert not wrong


@pytest.mark.parametrize(("library", "owners"), OWNERS.items())
def test_one_owner(library: str, owners: tuple[str, ...]) -> None:
    """Every library is imported by its owner only."""
    wrong = [
        place
        for module in MODULES
        for place, name in imports_of(module)
        if inside(name, library) and not inside_gateway(module, *owners)
    ]
    assert not wrong


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ENVIRONMENT])
def test_environment(module: str) -> None:
    """Only the settings read the environment."""
    nodes = ast.walk(parse(MODULES[module]))
    assert not {"environ", "getenv"} & {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_clients_stand_alone(path: Path) -> None:
    """The command lines import nothing of the gateway."""
    names = list(find_imports(path, "gateway_client"))
    assert not [line for line, name in names if inside(name, "gateway")]


def test_credentials_stand_alone() -> None:
    """credentials.py imports nothing but the standard library."""
    names = list(find_imports(ROOT / "credentials.py"))
    assert names
    assert not [line for line, name in names if name.partition(".")[0] not in sys.stdlib_module_names]


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: path.name)
def test_depth_and_maps(folder: Path) -> None:
    """A folder is at most two levels below the gateway, and its `__init__.py` is a map that names its modules."""
    assert len(folder.relative_to(GATEWAY).parts) <= 2
    text = ast.get_docstring(parse(folder / "__init__.py")) or ""
    missing = [path.stem for path in folder.glob("*.py") if path.stem not in text and not path.stem.startswith("__")]
    assert not missing
    assert folder == GATEWAY or 3 <= text.count("\n") + 1 <= 25


def test_no_loose_tasks() -> None:
    """Every coroutine runs in a task group: no create_task, ensure_future, add_background_task."""
    loose = {"create_task", "ensure_future", "add_background_task", "run_in_executor"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES.values()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in loose
    ]
    assert not wrong
