"""A simulated team before a real app, whose vLLM is scripted; its figures; and the command around it."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import Room
from running import wait_for

from ftchat import web
from ftchat.cli import own_app as own_app_module
from ftchat.cli import simulate as command
from ftchat.cli.own_app import own_app
from ftchat.errors import BadInput, SetupError
from ftchat.scenarios import Asked, Correction, Rule, Scenario, read_scenario, shipped_scenarios
from ftchat.simulate import Orders, Played, Refused, Round, Share, Team

NAMES = ("Brie", "Gouda", "Comte", "Feta", "Ricotta", "Cheddar", "Manchego", "Stilton", "Edam", "Havarti")


def asked(wording: str) -> tuple[Asked, ...]:
    return tuple(Asked(prompt=wording.format(name), facts={"name": name}) for name in NAMES)


SHOUT = Scenario(
    name="shout",
    about="Answers begin with 'SHOP:'",
    rule=Rule(starts_with="SHOP:"),
    correction=Correction(prefix="SHOP: "),
    teach=asked("What does the {} cost?"),
    held_out=asked("How much is the {}?"),
    retention=("Hello!", "Thank you!"),
    spare=tuple(one for wording in ("The {}?", "And the {}?", "Got {}?") for one in asked(wording)),
)


def client_of(room: Room) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=web.build(room.parts))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860", timeout=120)


async def played(room: Room, **orders: Any) -> tuple[Played, list[str]]:
    said: list[str] = []
    wanted = Orders(**{"rounds": 1, "feedback": 6, "args": {"steps": 1}, **orders})
    async with client_of(room) as client:
        return await Team(client, SHOUT, orders=wanted, tell=said.append).play(), said


async def test_a_team_teaches_votes_and_measures_through_the_api_alone(room: Room) -> None:
    room.vllm.logprobs["shop-v1"], room.vllm.answers["shop-v1"] = -0.5, "SHOP: the answer."
    found, said = await played(room)
    (one,) = found.rounds
    assert one.feedback == Counter(corrections=5, votes=1)
    assert room.store.feedback.counts()["correction/approved"] == 5
    assert (one.stage, one.verdict, one.adapter) == ("done", "INSUFFICIENT", "shop-v1"), one.reasons
    assert one.outcome == "champion"
    assert one.votes == Counter({"shop-v1": sum(one.votes.values())})
    assert 5 <= sum(one.votes.values()) < 20
    assert one.adherence == {
        "base": Share(kept=0, asked=10), "champion": Share(kept=10, asked=10), "newest": Share(kept=10, asked=10)
    }  # fmt: skip
    assert one.retention == Share(kept=0, asked=2)  # the scripted adapter says the same to everything
    assert (found.newest, one.newest) == (1.0, "shop-v1")
    assert (found.worse, found.problems) == ([], [])
    assert {"train", "exam"} <= set(one.stages_s)
    assert sum(one.stages_s.values()) == pytest.approx(one.run_s, abs=0.5)
    assert said[0] == "shout: Answers begin with 'SHOP:'"
    assert said[-1].startswith(
        "round 1: 100% (72% to 100%) of never-taught questions; INSUFFICIENT, shop-v1 is champion"
    )
    known = {turn["prompt"] for turn in room.store.rows("SELECT prompt FROM turns")}
    assert known.isdisjoint({one.prompt for one in SHOUT.held_out})  # what is measured leaves no trace
    assert found.facts()["curve"][0]["adherence"]["newest"]["low"] == 0.7225


async def test_the_curve_shows_the_newest_adapter_also_when_its_exam_rejected_it(room: Room) -> None:
    one = Round(number=1, stage="rejected", verdict="REJECT", adapter="shop-v2", outcome="rejected")
    for name, says, state in (("shop-v1", "No.", "champion"), ("shop-v2", "SHOP: yes.", "rejected")):
        room.store.training.set_state(room.adapter(name, says=says), state, reasons=["The exam said so."])
    room.adapter("shop-v3")
    room.store.training.set_state("shop-v3", "broken")
    async with client_of(room) as client:
        team = Team(client, SHOUT, orders=Orders(), tell=print)
        team._plain = ["", ""]
        await team._measure(one)
    assert (one.newest, one.adherence["newest"]) == ("shop-v2", Share(kept=10, asked=10))
    found = Played(scenario="x", about="y", orders=Orders(), rounds=(one,))
    assert found.problems == []
    line = found.words().splitlines()[3]
    assert (" 100% (72% to 100%) shop-v2 " in line, line.endswith("REJECT, shop-v2 is rejected")) == (True, True)
    assert room.contestants.names() == ("base", "shop-v1")  # nobody gets it unasked


@pytest.mark.soak
async def test_an_adapter_that_is_no_better_is_not_put_into_service_by_votes(room: Room) -> None:
    room.vllm.logprobs["shop-v1"] = -0.5
    found, _ = await played(room, votes=4)
    (one,) = found.rounds
    assert (one.outcome, one.champion, one.votes) == ("challenger", "base", Counter(both_bad=4))
    assert one.adherence["newest"] == Share(kept=0, asked=10)


async def test_a_team_that_is_refused_says_what_the_app_said(room: Room) -> None:
    room.reason = "The engine is starting."
    with pytest.raises(Refused, match=r"POST /v1/chat/completions: The engine is starting\."):
        await played(room)


async def test_an_answer_that_fails_ends_the_simulation(room: Room) -> None:
    room.vllm.fails.add("base")
    with pytest.raises(Refused, match="chat/completions"):
        await played(room)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"feedback": 0}, {"votes": -1}, {"goal": 1.5}])
def test_a_team_that_does_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="it must be between"):
        Orders(**wrong)


@pytest.mark.parametrize(
    ("kept", "of", "low", "high"), [(30, 30, 0.8865, 1.0), (0, 30, 0.0, 0.1135), (15, 30, 0.3315, 0.6685), (0, 0, 0, 1)]
)
def test_the_interval_is_wilsons(kept: int, of: int, low: float, high: float) -> None:
    assert Share(kept=kept, asked=of).interval == pytest.approx((low, high), abs=1e-4)


def curve(*shares: int, goal: float = 0.9) -> Played:
    """Champions that keep so many of 30, one a round."""
    rounds = []
    for number, kept in enumerate(shares, start=1):
        all_of = {"base": Share(kept=10, asked=30), "newest": Share(kept=kept, asked=30)}
        adherence = {**all_of, "champion": Share(kept=kept, asked=30)}
        named = {"champion": f"shop-v{number}", "newest": "newest-v1", "stage": "done", "verdict": "PROMOTE"}
        rounds.append(Round(number=number, adherence=adherence, **named))
    return Played(scenario="x", about="y", orders=Orders(goal=goal), rounds=tuple(rounds))


def test_a_champion_is_worse_when_its_interval_lies_below_the_one_before_it() -> None:
    assert curve(20, 28, 26, 29).worse == []
    assert curve(20, 28, 15, 29).worse == ["shop-v3"]
    assert curve(2).worse == ["shop-v1"]
    assert "33% (19% to 51%)" in curve(20).words()


def test_what_was_not_learned_failed_or_got_worse_is_a_problem_in_words() -> None:
    assert curve(20, 27).problems == []
    assert curve(20, 26).problems == ["newest-v1 keeps the rule in 87% (70% to 95%) of the answers; the goal is 90%."]
    assert curve(20, 26, goal=0.8).problems == []
    assert curve(28, 15, 29).problems == ["shop-v2 keeps the rule less often than the champion before it."]
    ended = curve(20, 28)
    ended.rounds[0].stage, ended.rounds[0].reasons = "failed", ["The disk is full."]
    assert ended.problems == ["The run of round 1 ended as failed. The disk is full."]
    nothing = curve(20)
    nothing.rounds[0].newest = "base"
    assert nothing.problems == ["No adapter was made that can answer."]
    assert nothing.words().endswith("\nNo adapter was made that can answer.")
    assert curve(28).words().endswith("\nIt was learned.")


@pytest.mark.parametrize(("kept", "status"), [(28, 0), (15, 1)])
def test_the_command_ends_well_only_when_the_rule_was_learned(
    kept: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_app", lambda args: nullcontext())
    monkeypatch.setattr(command, "play", lambda at, scenario, orders: curve(kept, goal=orders.goal))
    with pytest.raises(SystemExit) as ended:
        command.main(["--json", "--goal", "0.8"])
    said = json.loads(capsys.readouterr().out)
    assert (ended.value.code, said["ok"], said["played"][0]["ok"]) == (status, not status, not status)
    assert len(said["played"][0]["problems"]) == status


def test_there_are_questions_left_for_votes_in_every_shipped_scenario() -> None:
    for path in shipped_scenarios():
        scenario = read_scenario(path)
        taught = {one.prompt for one in scenario.teach}
        kept_out = {one.prompt for one in scenario.held_out} | set(scenario.retention)
        spare = [one.prompt for one in scenario.spare]
        assert len(set(spare)) == len(spare) == 500
        assert taught.isdisjoint(spare)
        assert kept_out.isdisjoint(spare)
        facts = {one.facts["name"] for one in scenario.held_out}
        assert facts.isdisjoint({one.facts["name"] for one in scenario.spare})


def test_settings_that_were_given_go_to_the_app_of_its_own() -> None:
    args = command._parser().parse_args(
        ["voice", "--model", "/m", "--no-cpu-lora", "--approve-own", "--max-loras", "4"]
    )
    assert command.settings_flags(args) == [
        *("--model", "/m", "--max-loras", "4", "--no-cpu-lora", "--approve-own")
    ]  # fmt: skip


def test_variables_of_another_home_and_its_people_are_not_the_apps_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PROXIES", "WEBHOOK", "SCHEDULE", "APPROVE_OWN", "KV_CACHE_GIB"):
        monkeypatch.setenv(f"FTCHAT_{name}", "x")
    assert [value for name, value in own_app_module._env().items() if name.startswith("FTCHAT_") and value == "x"] == [
        "x"
    ]
    assert own_app_module._env()["FTCHAT_KV_CACHE_GIB"] == "x"


def test_a_scenario_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(SetupError, match=r"no scenario called 'nothing'\. There are brevity, policy"):
        command.main(["nothing"])
    with pytest.raises(SetupError, match="need a home each"):
        command.main(["--all", "--home", "x"])


def test_a_command_that_is_told_to_end_leaves_no_home_and_no_app(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ftchat.cli", "simulate"]
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=log, stderr=log)
    wait_for(lambda: list(tmp_path.glob("ftchat-own-*/data/app.log")), what="its app", within_s=30)
    started.terminate()
    assert started.wait(60) == 128 + signal.SIGTERM
    assert list(tmp_path.glob("ftchat-own-*")) == []


def test_an_app_of_its_own_that_cannot_start_says_why(tmp_path: Path) -> None:
    flags, why = ["--model", str(tmp_path / "nowhere")], r"The app did not start\. .*There is no model folder .*nowhere"
    with pytest.raises(SetupError, match=why), own_app(flags, tell=print, keep=tmp_path / "home"):
        raise AssertionError("it started")
    assert not (tmp_path / "home" / "data" / "running.json").exists()
