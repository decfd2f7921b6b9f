"""ftchat adapters: list, show, promote, rollback, import, export, delete. Run: `ftchat adapters --help`."""

import argparse
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ftchat.cli.home import Home, commands, say, settings_of, table
from ftchat.errors import SetupError
from ftchat.registry import CONFIG, MANIFEST, WEIGHTS
from ftchat.registry.incoming import refuse_code


def main(argv: Sequence[str]) -> None:
    """Do it, and say what was done."""
    made, sub = commands("adapters", "What was taught here, version by version.")
    sub("list", _list, "Every adapter, newest first, and who is in service.")
    for name, do, about in (
        ("show", _show, "One adapter: where it stands, where it comes from, what its exam measured."),
        ("promote", _promote, "Put an adapter into service (needs a running app)."),
        ("export", _export, "An adapter as a zip that PEFT and vLLM load, and `import` takes."),
        ("delete", _delete, "Delete an adapter that nothing refers to (needs a running app)."),
    ):
        one = sub(name, do, about)
        one.add_argument("name", help="its name, as list shows it")
        if name == "export":
            one.add_argument("--to", type=Path, help="file or folder for it (default: NAME.zip, here)")
    sub("rollback", _rollback, "Put the champion before this one back (needs a running app).")
    taken = sub("import", _import, "Take in an adapter that PEFT saved (needs a running app); no code of it is run.")
    taken.add_argument("file", type=Path, help="a zip, or a folder with adapter_config.json and its safetensors")
    args = made.parse_args(argv)
    args.do(args, Home(settings_of(args)))


def _list(args: argparse.Namespace, home: Home) -> None:
    found = home.call("GET", "/api/adapters")
    rows = [("NAME", "STATE", "VERDICT", "MADE"), *(_row(item) for item in found["items"])]
    words = table(rows) if found["items"] else "There are no adapters yet. `ftchat retrain` makes one."
    say(args, found, f"{words}\n\nIn service: {found['champion']}")


def _row(item: dict[str, Any]) -> tuple[str, str, str, str]:
    came = "imported" if item["lineage"].get("imported") else item["verdict"] or "-"
    return item["name"], item["state"], came, item["created_at"][:16].replace("T", " ")


def _show(args: argparse.Namespace, home: Home) -> None:
    found = home.call("GET", _path(args))
    facts = [("state", found["state"]), ("made", found["created_at"]), ("verdict", found["verdict"] or "none")]
    facts += [(key, _told(value)) for key, value in found["lineage"].items() if value is not None]
    facts += [("trained on", f"{len(found['trained_on'])} pieces of feedback")]
    facts += [(key, _told(value)) for key, value in found["scores"].items()]
    words = "\n".join([found["name"], *found["reasons"], "", table(facts)])
    say(args, found, words)


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _promote(args: argparse.Namespace, home: Home) -> None:
    done = home.call("POST", f"{_path(args)}/promote")
    say(args, done, f"{done['champion']} is in service.")


def _rollback(args: argparse.Namespace, home: Home) -> None:
    done = home.call("POST", "/api/rollback")
    say(args, done, f"{done['champion']} is in service again.")


def _delete(args: argparse.Namespace, home: Home) -> None:
    done = home.call("DELETE", _path(args))
    say(args, done, f"{args.name} is deleted.")


def _export(args: argparse.Namespace, home: Home) -> None:
    to = args.to or Path(f"{args.name}.zip")
    to = to / f"{args.name}.zip" if to.is_dir() else to
    if to.exists():
        raise SetupError(f"{to} is there already. Move it away, or give --to another place.")
    home.fetch(f"{_path(args)}/download", to)
    say(args, {"path": str(to.resolve()), "bytes": to.stat().st_size}, str(to.resolve()))


def _import(args: argparse.Namespace, home: Home) -> None:
    home.needs_app()
    if not args.file.exists():
        raise SetupError(f"There is nothing called {args.file}. Name a zip, or a folder that PEFT saved.")
    with tempfile.TemporaryDirectory(prefix="ftchat-import-") as scratch:
        file = _zipped(args.file, Path(scratch)) if args.file.is_dir() else args.file
        made = home.send("/api/adapters/import", file, "application/zip")
    said = (
        f"{made['name']} is here. It was not examined: compare it blind, or `ftchat adapters promote {made['name']}`."
    )
    say(args, made, said)


def _zipped(folder: Path, scratch: Path) -> Path:
    """The files that matter of a folder; one with code or pickles is refused here as it would be there."""
    refuse_code(entry.name for entry in folder.iterdir())
    path = scratch / "adapter.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name in (CONFIG, WEIGHTS, MANIFEST):
            if (folder / name).is_symlink():
                raise SetupError(f"{folder / name} is a link: put the file itself there.")
            if (folder / name).is_file():
                made.write(folder / name, name)
    return path


def _path(args: argparse.Namespace) -> str:
    return f"/api/adapters/{quote(args.name, safe='')}"
