"""The rules of the layout, stated over the source by ast: who may import whom, and which library has which home."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ftchat"

# Every unit (a module or a package directly under ftchat/) has a layer; a unit imports from the layers below it.
LAYERS: dict[int, tuple[str, ...]] = {
    0: (
        "errors",
        "ids",
        "records",
        "config",
        "links",
        "passwords",
        "base",
        "hub",
        "prompt",
        "anchors",
        "install",
        "edits",
        "texts",
        "fp32",
        "disk",
    ),
    1: (
        *("store", "engine", "child", "server_log", "sizing", "launch", "server", "cpu_lora", "registry", "lease"),
        *("accounts", "starter", "aside"),
    ),
    2: (
        *("ratings", "contestants", "lanes", "seen", "asking", "chat", "judging", "redrafts", "sessions"),
        *("dataset", "training", "trainee"),
        *("progress", "exam", "probing", "service", "reconcile", "pipeline", "scenarios", "simulate", "backups"),
        *("review", "exports", "imports", "lineage", "schedule", "webhook", "similar"),
    ),
    3: ("parts", "web", "ui", "serve", "doctor", "cli"),
}
LAYER_OF = {unit: layer for layer, units in LAYERS.items() for unit in units}

# Within a layer, only these. "training.job" is the format of a job, which those who start or watch one may read, and
# "training.guards" are rules over figures.
SIDEWAYS: dict[str, set[str]] = {
    "records": {"errors", "ids"},
    "config": {"errors"},
    "links": {"config"},
    "passwords": {"errors"},
    "base": {"errors"},
    "hub": {"base", "errors"},
    "prompt": {"errors", "records"},
    "launch": {"engine"},
    "server": {"engine", "child", "server_log", "sizing", "launch"},
    "aside": {"launch", "server", "sizing"},
    "accounts": {"store"},
    "contestants": {"ratings"},
    "asking": {"contestants", "lanes"},
    "chat": {"asking", "contestants", "lanes", "seen"},
    "judging": {"chat"},
    "redrafts": {"chat", "judging"},
    "similar": {"judging"},
    "sessions": {"chat", "seen"},
    "exam": {"contestants", "dataset", "training.guards"},
    "imports": {"exports"},
    "lineage": {"dataset"},
    "service": {"probing"},
    "reconcile": {"service"},
    "trainee": {"training.job", "training.parent"},
    "progress": {"training.job"},
    "simulate": {"scenarios"},
    "pipeline": {"contestants", "dataset", "exam", "progress", "ratings", "service", "trainee", "training.job"},
    "schedule": {"pipeline"},
    "web": {"parts"},
    "ui": {"parts"},
    "serve": {"parts", "web", "ui"},
    "cli": {"doctor", "web"},  # and "serve" by name, when it is asked for
}

# A library and the units that may name it.
HOMES: dict[str, set[str]] = {
    "sqlite3": {"store"},
    "sqlite_utils": {"store"},
    "gradio": {"ui"},
    "torch": {"training", "starter", "cpu_lora", "fp32"},
    "vllm": {"cpu_lora"},
    "cronsim": {"schedule"},
    # HTTP to vLLM is in engine, to a model hub in hub, to whoever wants to know of a run in webhook; the command line
    # and the scripted rater speak to the app's own API.
    "httpx": {"engine", "hub", "cli", "simulate", "webhook"},
    "requests": set(),
    "aiohttp": set(),
    "urllib.request": set(),
    "http.client": set(),
}

SQL = re.compile(
    r"\s*(?:SELECT\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(?:TABLE|INDEX|UNIQUE|VIEW|TRIGGER)\s)"
)


@dataclass(frozen=True)
class Source:
    """One module of ftchat. `name` is dotted, without `ftchat.`; `unit` is its first part."""

    path: Path
    name: str
    tree: ast.Module

    @property
    def unit(self) -> str:
        return self.name.split(".")[0]

    def where(self, node: ast.AST) -> str:
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def sources() -> list[Source]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append(Source(path, name, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imported(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Everything a module imports, as dotted names: `from a import b` gives a.b."""
    package = ["ftchat", *source.name.split(".")] if source.name else ["ftchat"]
    if source.path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node, f"{start}.{alias.name}") for alias in node.names)


def may_import(unit: str, target: str) -> bool:
    """Whether `unit` may import `target`, a dotted name without `ftchat.`."""
    there = target.split(".")[0]
    if there == unit or there not in LAYER_OF:
        return True  # itself, or a name of ftchat/__init__.py
    if LAYER_OF[there] != LAYER_OF[unit]:
        return LAYER_OF[there] < LAYER_OF[unit]
    return any(target == open_ or target.startswith(open_ + ".") for open_ in SIDEWAYS.get(unit, set()))


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """String literals that are not docstrings; of an f-string its parts."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def test_every_unit_has_a_layer():
    units = {source.unit for source in sources() if source.unit}

    assert sorted(units - set(LAYER_OF)) == [], "give it a layer in LAYERS (tests/test_layers.py)"


def test_imports_point_down():
    wrong = [
        f"{source.where(node)} {source.name} -> {name}"
        for source in sources()
        for node, name in imported(source)
        if source.unit in LAYER_OF
        and name.startswith("ftchat.")
        and not may_import(source.unit, name.removeprefix("ftchat."))
    ]

    assert wrong == []


def test_every_permission_to_import_within_a_layer_is_used():
    used = {(source.unit, name.removeprefix("ftchat.")) for source in sources() for _, name in imported(source)}
    unused = [
        f"{unit} -> {target}"
        for unit, targets in SIDEWAYS.items()
        for target in sorted(targets)
        if not any(who == unit and (name == target or name.startswith(target + ".")) for who, name in used)
    ]

    assert unused == []


def test_the_set_up_imports_nothing_but_itself_and_the_standard_library():
    import sys

    wrong = [
        f"{source.where(node)} {name}"
        for source in sources()
        if source.unit in ("", "install")
        for node, name in imported(source)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("ftchat.install")
    ]

    assert wrong == []


def test_each_library_is_named_in_its_home_only():
    wrong = [
        f"{source.where(node)} {source.name} imports {name}"
        for source in sources()
        for node, name in imported(source)
        for library, homes in HOMES.items()
        if (name == library or name.startswith(library + ".")) and source.unit not in homes
    ]

    assert wrong == []


def test_sql_is_in_store_only():
    wrong = [
        f"{source.where(node)} {str(node.value).strip()[:60]!r}"
        for source in sources()
        if source.unit != "store"
        for node in literals(source.tree)
        if SQL.match(str(node.value))
    ]

    assert wrong == []


def test_every_module_has_a_docstring():
    assert [source.where(source.tree) for source in sources() if not ast.get_docstring(source.tree)] == []


def test_modules_stay_under_400_lines():
    sizes = {
        source.where(source.tree): len(source.path.read_text(encoding="utf-8").splitlines()) for source in sources()
    }

    assert {where: lines for where, lines in sizes.items() if lines >= 400} == {}


def test_no_function_passes_60_lines():
    sizes = {
        f"{source.where(node)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {where: lines for where, lines in sizes.items() if lines > 60} == {}


def test_the_rules_find_what_they_forbid(tmp_path):
    """The rules themselves, over a source that breaks each of them."""
    text = '"""Doc."""\nfrom . import pipeline\nimport torch.nn\nfrom urllib import request\nQ = f"SELECT {1} FROM x"\n'
    bad = Source(PACKAGE / "store" / "bad.py", "store.bad", ast.parse(text))

    names = [name for _, name in imported(bad)]

    assert names == ["ftchat.store.pipeline", "torch.nn", "urllib.request"]
    assert not may_import("store", "pipeline.Pipeline")
    assert not may_import("pipeline", "training.fit")
    assert may_import("pipeline", "training.job.Job")
    assert [bool(SQL.match(str(node.value))) for node in literals(bad.tree)] == [True, False]
