"""The base's folder is checked, and its fingerprint changes with what decides its answers."""

import json
import shutil
from pathlib import Path

import pytest

from ftchat import starter
from ftchat.base import open_base
from ftchat.errors import HomeInUse, SetupError
from ftchat.lease import Lease


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(starter.model_path(), tmp_path / "model"))


def test_the_fingerprint_follows_the_files_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    shipped = open_base(starter.model_path(), practice=True, cache=tmp_path / "a.json")
    copied = open_base(folder, practice=False, cache=tmp_path / "a.json")
    assert copied.fingerprint == shipped.fingerprint
    assert (shipped.name, copied.name) == ("starter", "model")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert open_base(folder, practice=False, cache=tmp_path / "a.json").fingerprint != shipped.fingerprint


def test_a_cache_that_cannot_be_read_is_as_good_as_none(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.json"
    first = open_base(folder, practice=False, cache=cache).fingerprint
    cache.write_text(cache.read_text()[:20])
    assert open_base(folder, practice=False, cache=cache).fingerprint == first
    assert json.loads(cache.read_text())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "convert it to safetens"),
        (lambda folder: shutil.rmtree(folder), "There is no model folder"),
        (
            lambda folder: (folder / "model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})
            ),
            "1 of 2 weight files are missing",
        ),
    ],
)
def test_a_folder_that_cannot_be_served_is_refused_with_its_reason(
    folder: Path, tmp_path: Path, spoil: object, message: str
) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(SetupError, match=message):
        open_base(folder, practice=False, cache=tmp_path / "c.json")


def test_a_home_has_one_app_and_says_who_holds_it(tmp_path: Path) -> None:
    first = Lease(tmp_path / "data" / "lease")
    with pytest.raises(HomeInUse, match="ftchat with process id"):
        Lease(tmp_path / "data" / "lease")
    first.release()
    Lease(tmp_path / "data" / "lease").release()
