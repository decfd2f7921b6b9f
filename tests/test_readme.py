"""The README's tree and settings table are what the source says. Rewrite them: python -m tests.test_readme --write"""

import ast
import dataclasses
import re
import sys
from pathlib import Path

import pytest

from ftchat.config import Settings, load_settings
from ftchat.scenarios import read_scenario
from ftchat.schedule import Plan
from ftchat.webhook import listener
from tests.test_layers import LAYERS, PACKAGE, ROOT

README = ROOT / "README.md"
REWRITE = "the block is stale: run `.venv/bin/python -m tests.test_readme --write`, or paste\n\n"

# What stands beside ftchat/; the test sees to it that it is there.
BESIDE = {
    "app.py": "starts ftchat: a few lines",
    "adapters/": "the adapters taught here, one folder each",
    "bench/": "measurements, each printing JSON",
    "docs/": "the pictures above, taken from the running app by `make pictures`",
    "tests/": "named after what they test, plus layers, README, and the loop in a browser",
}


def summary(path: Path) -> str:
    """The first sentence of a module's or package's docstring."""
    text = ast.get_docstring(ast.parse((path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8")))
    return re.split(r"\.(?:\s|$)", " ".join((text or "").split()), maxsplit=1)[0]


def units() -> list[Path]:
    """The modules and packages directly under ftchat/, from the lowest layer up."""
    order = [unit for layer in sorted(LAYERS) for unit in LAYERS[layer]]
    found = [
        path
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").is_file()
    ]
    return sorted(found, key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem))


def tree() -> str:
    """The tree block."""
    inside = {f"  {path.name}{'/' if path.is_dir() else ''}": summary(path) for path in units()}
    rows = {"app.py": BESIDE["app.py"], "ftchat/": "", **inside, **BESIDE}
    return "```\n" + "".join(f"{name:19}{text}".rstrip() + "\n" for name, text in rows.items()) + "```\n"


def shown(default: object) -> str:
    """A default as people write it in ftchat.toml."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or "none"
    return str(default) or "none"


def settings_table() -> str:
    """The settings block."""
    rows = [
        f"| `{field.name}` | {shown(field.default)} | {field.metadata['help']} |\n"
        for field in dataclasses.fields(Settings)
    ]
    return "| setting | default | what it is |\n| --- | --- | --- |\n" + "".join(rows)


BLOCKS = {"tree": tree, "settings": settings_table}


def pattern(name: str) -> re.Pattern[str]:
    """Where a block stands: between two HTML comments."""
    return re.compile(rf"(?<=<!-- {name}: written by tests/test_readme.py -->\n)(.*?)(?=<!-- /{name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", BLOCKS)
def test_readme_block_is_what_the_source_says(name):
    found = pattern(name).search(README.read_text(encoding="utf-8"))
    wanted = BLOCKS[name]()

    assert found, f"README.md has no block {name!r}"
    assert found.group(1) == wanted, REWRITE + wanted


def test_what_the_tree_shows_beside_ftchat_is_there():
    assert [name for name in BESIDE if not (ROOT / name).exists()] == []


def test_every_setting_has_a_help_text():
    assert [field.name for field in dataclasses.fields(Settings) if not field.metadata.get("help")] == []


def test_the_examples_in_toml_are_read(tmp_path):
    scenario, settings = re.findall(
        r"^```toml\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "my.toml").write_text(scenario, encoding="utf-8")
    (tmp_path / "ftchat.toml").write_text(settings, encoding="utf-8")

    rule, read = read_scenario(tmp_path / "my.toml"), load_settings({"home": tmp_path}, {})

    assert rule.corrected(rule.teach[0], "It is a port.") == "Good question! It is a port."
    assert (Plan.of(read).when, Plan.of(read).least) == ("0 3 * * *", 20)
    assert str(listener(read)) == "https://example.org/hook"


def write() -> None:
    """Put the present blocks into README.md."""
    text = README.read_text(encoding="utf-8")
    for name, block in BLOCKS.items():
        now = block()
        text = pattern(name).sub(lambda _, now=now: now, text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        print("\n".join(block() for block in BLOCKS.values()))
