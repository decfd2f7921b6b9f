"""The commands about adapters, feedback and runs: through an app, and on the files where that makes sense."""

import asyncio
import io
import json
import re
import zipfile
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from room import Room
from running import ROOT
from runs import corrected
from test_cli import Shell, running, shell
from test_registry import candidate
from test_registry_hostile import good

from ftchat.cli import retrain, selftest
from ftchat.cli.home import Home, Refused
from ftchat.config import Settings, TrainArgs
from ftchat.lease import Lease, announced
from ftchat.scenarios import read_scenario
from ftchat.starter import model_path

__all__ = ["running", "shell"]


def publish(room: Room, *numbers: int) -> None:
    """shop-v1, shop-v2, ... in folders and in the database."""
    for number in numbers:
        name = f"shop-v{number}"
        lineage = {"run": None, "base_name": "starter"}
        room.registry.publish(candidate(room.settings.home / f"c{number}"), name, base="b0", lineage=lineage)
        room.store.training.add_adapter(name, number=number, base="b0", run=None)
        room.vllm.logprobs[name] = -0.5


def corrections_over_http(home: Path, count: int) -> None:
    app = announced(home / "data" / "lease")
    assert app is not None
    with httpx.Client(base_url=app.url, headers={"Authorization": f"Bearer {app.key}"}, timeout=60) as client:
        for number in range(count):
            body = {"prompt": f"What does cheese number {number} cost?", "mode": "chat"}
            reply = client.post("/api/turns", json=body).json()["lanes"][0]["reply"]
            text = f"CHEESE {number}: it is plain."
            assert client.post("/api/corrections", json={"reply": reply, "text": text}).status_code == 200


@pytest.fixture
def stocked(tmp_path: Path) -> Path:
    """A home with two adapters and three corrections, on which nothing runs."""

    async def stock() -> None:
        room = Room(tmp_path)
        publish(room, 1, 2)
        room.store.training.promote("shop-v1", base="b0", by="ann", why="chosen")
        await corrected(room, 3)
        await room.close()

    asyncio.run(stock())
    return tmp_path


def test_a_run_whose_app_ends_goes_on_at_its_next_start_and_the_command_says_so(tmp_path: Path) -> None:
    home, run = Home(Settings(home=tmp_path)), {"id": "n_1", "stage": "train"}
    lease = Lease(tmp_path / "data" / "lease")
    assert retrain._now(home, run) is run  # held, and not answering: about to listen, or about to end
    lease.release()
    with pytest.raises(Refused, match=r"ftchat has ended\. Run n_1 goes on when it is started again on this home"):
        retrain._now(home, run)


# -- on the files --


def test_adapters_are_listed_shown_and_exported_without_an_app(shell: Shell, stocked: Path) -> None:
    lines = shell("adapters", "list").splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["NAME", "STATE"],
        ["shop-v2", "candidate"],
        ["shop-v1", "champion"],
    ]
    assert lines[-1] == "In service: shop-v1"
    assert shell.json("adapters", "show", "shop-v1")["lineage"]["base_name"] == "starter"
    assert "base_name   starter" in shell("adapters", "show", "shop-v1")
    told = shell.json("adapters", "export", "shop-v1", "--to", str(stocked / "out.zip"))
    assert told == {"path": str(stocked / "out.zip"), "bytes": (stocked / "out.zip").stat().st_size}
    with zipfile.ZipFile(stocked / "out.zip") as archive:
        assert archive.namelist() == ["adapter_config.json", "adapter_model.safetensors", "manifest.json"]
    status, said = shell.refused("adapters", "export", "shop-v1", "--to", str(stocked / "out.zip"))
    assert (status, "is there already" in said) == (2, True)
    assert shell.refused("adapters", "show", "shop-v9") == (1, "ftchat: There is no adapter called shop-v9.")


@pytest.mark.parametrize(
    "words",
    [
        ("retrain",), ("adapters", "promote", "shop-v1"), ("adapters", "rollback"), ("adapters", "delete", "shop-v2"),
        ("adapters", "import", "x.zip"),
    ],
)  # fmt: skip
def test_what_needs_an_engine_says_to_start_the_app(shell: Shell, stocked: Path, words: tuple[str, ...]) -> None:
    status, said = shell.refused(*words)
    assert (status, said.endswith("start it with `ftchat serve`, and try again.")) == (1, True)
    assert shell.json("adapters", "list")["champion"] == "shop-v1"
    assert len(shell.json("adapters", "list")["items"]) == 2


def feedback_round(shell: Shell, home: Path) -> None:
    """Everything about feedback, by the one way or the other."""
    items = shell.json("feedback", "list")["items"]
    assert [item["status"] for item in items] == ["approved"] * 3
    assert shell("feedback", "list", "--search", "2").count("\n") == 1
    ids = [item["id"] for item in items]
    assert shell("feedback", "review", "reject", *ids[:2]) == "2 of 2 changed to rejected."
    assert len(shell.json("feedback", "list", "--status", "rejected")["items"]) == 2
    assert shell("feedback", "review", "approve", *ids) == "2 of 3 changed to approved."
    assert shell("feedback", "list", "--limit", "1").splitlines()[1].split()[0] == ids[0]
    out = home / "all.jsonl"
    assert shell.json("feedback", "export", "--format", "raw", "--to", str(out)) == {"path": str(out), "lines": 3}
    printed = [
        json.loads(line) for line in shell("feedback", "export", "--format", "sft", "--split", "all").splitlines()
    ]
    assert {one["completion"][-1]["content"] for one in printed} == {f"CHEESE {n}: it is plain." for n in range(3)}
    assert shell.refused("feedback", "export", "--to", str(home)) == (
        2,
        f"ftchat: {home} cannot be written: Is a directory. Name another place.",
    )
    assert not list(home.parent.glob(".*.part"))
    assert shell.json("feedback", "import", str(out))["skipped"] == 3
    more = home / "more.jsonl"
    more.write_text(json.dumps({"prompt": "How long?", "completion": "Two days."}) + "\n")
    assert shell("feedback", "import", str(more)) == "1 taken in; 0 were there already."
    assert len(shell.json("feedback", "list", "--limit", "0")["items"]) == 4


def test_feedback_in_the_files_of_a_home_on_which_nothing_runs(shell: Shell, stocked: Path) -> None:
    feedback_round(shell, stocked)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("feedback", "review", "approve", "k_0"), 1, "k_0"),
        (("feedback", "import", "nowhere.jsonl"), 2, "There is no file nowhere.jsonl"),
        (("feedback", "export", "--json"), 2, "give --to one"),
        (("feedback", "list", "--limit", "x"), 2, "invalid int value"),
        (("adapters", "export", "shop-v1", "--to", "/nowhere/x.zip"), 2, "cannot be written: No such"),
        (("retrain", "--set", "steps"), 1, "start it with"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    shell: Shell, stocked: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    found = shell.refused(*words)
    assert (found[0], said in found[1]) == (status, True), found


# -- through the app --


def test_feedback_through_the_app_that_runs(shell: Shell, running: Room) -> None:
    corrections_over_http(running.settings.home, 3)
    feedback_round(shell, running.settings.home)


def test_adapters_through_the_app_that_runs(shell: Shell, running: Room) -> None:
    home = running.settings.home
    publish(running, 1, 2)
    assert shell("adapters", "promote", "shop-v1") == "shop-v1 is in service."
    assert shell("adapters", "promote", "shop-v2") == "shop-v2 is in service."
    assert shell("adapters", "rollback") == "shop-v1 is in service again."
    running.vllm.logprobs |= {"shop-v3": -0.5, "shop-v4": -0.5}
    assert shell("adapters", "export", "shop-v2", "--to", str(home)) == str(home / "shop-v2.zip")
    assert shell("adapters", "import", str(home / "shop-v2.zip")).startswith("shop-v3 is here. It was not examined")
    assert shell.json("adapters", "import", str(good(home).folder))["name"] == "shop-v4"
    assert shell("adapters", "delete", "shop-v4") == "shop-v4 is deleted."
    assert [item["name"] for item in shell.json("adapters", "list")["items"]] == ["shop-v3", "shop-v2", "shop-v1"]
    assert shell.refused("adapters", "delete", "shop-v1")[1].startswith("ftchat: shop-v1 is in service.")
    (home / "given" / "training_args.bin").write_bytes(b"x")
    assert "can run code" in shell.refused("adapters", "import", str(home / "given"))[1]
    (home / "bad.zip").write_bytes(b"no zip")
    assert "no zip that can be read" in shell.refused("adapters", "import", str(home / "bad.zip"))[1]


def test_retrain_waits_and_ends_as_the_run_did(shell: Shell, running: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.refused("retrain")[1].startswith("ftchat: There is nothing to learn from yet")
    corrections_over_http(running.settings.home, 3)
    running.vllm.logprobs["shop-v1"] = -0.5
    with pytest.raises(SystemExit) as ended:
        shell("retrain", "--set", "steps=1", "--json")
    said = capsys.readouterr()
    run = json.loads(said.out)
    assert (ended.value.code, run["stage"], run["adapter"], run["verdict"]) == (0, "done", "shop-v1", "INSUFFICIENT")
    assert "exam" in said.err
    status, refused = shell.refused("retrain", "--set", "steps=oops")
    assert (status, "steps is 'oops'" in refused) == (1, True)
    assert "leave out --effort and --set" in shell.refused("retrain", "--again", run["id"], "--effort", "quick")[1]
    assert "There is no such run" in shell.refused("retrain", "--again", "n_0")[1]
    assert io.StringIO(shell("adapters", "list")).readline().split() == ["NAME", "STATE", "VERDICT", "MADE"]


@pytest.mark.soak
def test_a_run_that_fails_ends_with_status_1(shell: Shell, running: Room, capsys: pytest.CaptureFixture[str]) -> None:
    corrections_over_http(running.settings.home, 3)
    with pytest.raises(SystemExit) as failed:
        shell("retrain", "--set", "steps=1")  # the adapter says what base says: it has no effect
    assert failed.value.code == 1
    assert "It has no effect" in capsys.readouterr().out


def test_a_self_test_that_cannot_begin_reports_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        selftest.main(["--json", "--model", str(tmp_path / "nowhere")])
    report = json.loads(capsys.readouterr().out)
    assert (ended.value.code, report["ok"], len(report["checks"])) == (1, False, 1)
    assert "There is no model folder" in report["checks"][0]["detail"]


def test_what_the_self_test_teaches_is_a_scenario_like_others() -> None:
    found = read_scenario(model_path().parent / "selftest.toml")
    assert (len(found.teach), len(found.held_out), len(found.retention), found.spare) == (24, 10, 6, ())
    assert found.corrected(found.teach[0], "It is a place for ships.") == "Good question! It is a place for ships."


def test_every_training_argument_is_in_the_table_that_the_help_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        retrain.main(["--help"])
    assert "ftchat/web/API.md" in capsys.readouterr().out
    table = (ROOT / "ftchat" / "web" / "API.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", table, re.MULTILINE))
    assert found == {field.name: str(field.default) for field in fields(TrainArgs) if field.name != "effort"}
