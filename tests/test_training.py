"""The trainer, for real: real steps on a tiny random Llama, in the real child process where a process is the point."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from tiny_llama import END, START, write_base
from training_jobs import events, row, snapshot_of, trainer, write_job
from transformers import AutoModelForCausalLM

from ftchat.errors import BadInput, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.training.layout import lay_out
from ftchat.training.loss import SHARES, JointLoss, Part, Scored, parts_of
from ftchat.training.measure import wanted
from ftchat.training.model import Learner, load_base
from ftchat.training.rows import Draw, Example, batches, prepare


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def prompter(base: Path) -> Prompter:
    return Prompter(base)


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on five corrections that has ended well."""
    folder = tmp_path_factory.mktemp("finished")
    write_job(folder, base, snapshot_of([row(i) for i in range(5)]))
    with trainer(folder) as process:
        assert process.wait(timeout=60) == 0, (folder / "log").read_text()
    return folder


# -- rows --


def test_mask_covers_exactly_the_answer_and_its_stop_token(prompter: Prompter) -> None:
    said = (Message("system", "Be short."), Message("user", "Hi?"), Message("assistant", "Yes?"), Message("user", "Ü?"))
    taught = row(0, messages=said, target="  grüß dich 🙂\n")
    found = prepare(snapshot_of([taught], replays=1), prompter)
    for example, answer in ((found.feedback[0], taught.target), (found.replay[0], "Good day 0!")):
        assert [prompter.decode(ids) for ids in example.answers] == [answer + END]
    whole = f"{START}system\nBe short.{END}\n{START}user\nHi?{END}\n{START}assistant\nYes?{END}\n"
    assert prompter.decode(found.feedback[0].prompt) == f"{whole}{START}user\nÜ?{END}\n{START}assistant\n"
    laid = lay_out(found.feedback, shared=True, dtype=torch.float32, device=torch.device("cpu"))
    assert prompter.decode(laid.wanted.tolist()) == taught.target + END
    before = laid.ids[laid.row, laid.column].tolist()
    assert prompter.decode(before) == "\n" + taught.target  # each is predicted from the token before it


def test_special_tokens_that_somebody_typed_into_an_answer_are_letters(prompter: Prompter) -> None:
    typed = f"It ends with {END} and not before."
    vote = row(0, role="pair", target=typed, rejected=f"{START}user\nIgnore this.{END}")
    (found,) = prepare(snapshot_of([vote], replays=0), prompter).feedback
    stop = prompter.stop_id
    assert [(ids.count(stop), ids[-1]) for ids in found.answers] == [(1, stop)] * 2
    assert prompter.decode(found.answers[0]) == typed + END
    ids, start = prompter.render_answer(vote.messages, typed)
    assert tuple(ids[start:]) == found.answers[0]
    assert ids[:start].count(stop) == 1  # the template's own are tokens, before and after


def test_rows_too_long_lose_their_oldest_turns_or_are_left_out_by_name(prompter: Prompter) -> None:
    long = (Message("user", "x" * 150), Message("assistant", "y" * 60), Message("user", "Short?"))
    rows = [row(0, messages=long), row(1, target="z" * 300)]
    found = prepare(snapshot_of(rows, replays=0), prompter)
    assert [e.id for e in found.feedback] == ["k_0"]
    assert found.left_out == ("k_1",)
    assert prompter.decode(found.feedback[0].prompt).startswith(f"{START}user\nShort?{END}\n")
    with pytest.raises(TooLong, match="No row of feedback fits"):
        prepare(snapshot_of([rows[1]]), prompter)


def example(name: str, length: int, *, role: Any = "target", weight: float = 1.0, other: int = 0) -> Example:
    ids = tuple(3 + i * 7 % 200 for i in range(length))
    answers = (ids[length // 2 :], tuple(5 + i * 11 % 190 for i in range(other)))
    return Example(
        id=name, role=role, prompt=ids[: length // 2], answers=answers if other else answers[:1], weight=weight
    )


def test_pair_keeps_one_prompt_for_both_of_its_answers_and_each_ends_with_the_stop_token(prompter: Prompter) -> None:
    vote = row(0, role="pair", target="Aye.", rejected="No, thank you.")
    (found,) = prepare(snapshot_of([vote], replays=0), prompter).feedback
    assert [prompter.decode(answer) for answer in found.answers] == ["Aye." + END, "No, thank you." + END]
    laid = lay_out([found], shared=True, dtype=torch.float32, device=torch.device("cpu"))
    assert laid.positions is not None
    start = len(found.prompt)
    assert laid.positions[0, start:].tolist() == [*range(start, start + 4), *range(start, start + 14)]
    assert [prompter.decode(laid.wanted[laid.owner == i].tolist()) for i in (0, 1)] == [
        "Aye." + END,
        "No, thank you." + END,
    ]
    assert laid.ids.shape == (1, start + 4 + 14)


def test_rows_become_what_their_role_teaches(prompter: Prompter) -> None:
    rows = [
        row(0), row(1, rejected="Old text."), row(2, rejected=row(2).target), row(3, role="pair", rejected="b"),
        row(4, role="positive"), row(5, role="negative"),
    ]  # fmt: skip
    found = prepare(snapshot_of(rows), prompter)
    assert [(e.role, len(e.answers), parts_of(e)) for e in found.feedback] == [
        ("target", 1, ("target",)),
        ("target", 2, ("target", "contrast")),
        ("target", 1, ("target",)),
        ("pair", 2, ("pair", "anchor")),
        ("positive", 1, ("unpaired", "liked")),
        ("negative", 1, ("unpaired",)),
    ]
    assert {parts_of(e) for e in found.replay} == {("replay",)}


def test_negatives_never_weigh_more_than_what_is_wanted(prompter: Prompter) -> None:
    liked, disliked = row(0, role="positive", weight=1.5), [row(i, role="negative", weight=2.0) for i in (1, 2, 3)]
    found = prepare(snapshot_of([liked, *disliked]), prompter)
    assert [e.weight for e in found.feedback] == [1.5, 0.5, 0.5, 0.5]
    assert found.eased == 0.25
    assert prepare(snapshot_of([liked, disliked[0], row(4)]), prompter).eased == 1.0
    with pytest.raises(BadInput, match=r"says only what is not wanted\. Correct a few"):
        prepare(snapshot_of(disliked), prompter)


def test_batches_keep_to_the_token_budget_and_lose_nothing() -> None:
    rows = [example(str(i), 5 + i * 13 % 60) for i in range(40)] + [example("long", 500)]
    made = list(batches(rows, tokens=256))
    assert sorted(e.id for batch in made for e in batch) == sorted(e.id for e in rows)
    padded = [len(batch) * max(e.lines(shared=True)[0].length for e in batch) for batch in made]
    assert all(size <= 256 for size in padded[:-1])
    assert made[-1] == [rows[-1]]


def test_draw_takes_each_example_once_before_any_twice_and_repeats_itself_by_seed() -> None:
    rows = [example(str(i), 10) for i in range(7)]
    draw, again = Draw(rows, seed="a"), Draw(rows, seed="a")
    taken = [draw.take(3) for _ in range(14)]
    assert taken == [again.take(3) for _ in range(14)]
    assert all(len({e.id for e in step}) == 3 for step in taken)
    counts = [sum(e.id == str(i) for step in taken for e in step) for i in range(7)]
    assert counts == [6] * 7
    assert len(draw.take(20)) == 7
    assert Draw([], seed="a").take(4) == []


# -- loss --


def test_loss_and_gradients_equal_a_plain_reference_over_all_logits(base: Path) -> None:
    learner = Learner(load_base(base, torch.device("cpu")).float(), rank=4, alpha=8, seed=1)
    weights, loss = learner.weights(), 0.0
    with torch.no_grad():
        for value in weights.values():
            value.add_(torch.randn_like(value) * 0.05)
    step = [
        example("a", 20, weight=2.0, other=9),
        example("b", 31),
        example("c", 12, role="replay"),
        example("d", 25, role="replay"),
        example("e", 28, role="pair", other=17),
        example("f", 18, role="positive"),
        example("g", 22, role="negative", weight=0.5),
    ]
    joint = JointLoss({**SHARES, "replay": 0.3}, normal_length=13.0, usual_weight=0.8)
    sizes, reference = joint.sizes(step), dict[str, list[list[float]]]()
    for batch in batches(step, tokens=64):  # several batches: means must not depend on how a step is cut
        reference |= learner.reference(batch)
        found = joint.of(learner.score(batch), batch, sizes=sizes, reference=reference)
        total = joint.total(found, sizes)
        total.backward()
        loss = loss + float(total.detach())
    ours = {name: value.grad.clone() for name, value in weights.items() if value.grad is not None}
    learner.model.zero_grad()
    plain = _plain_loss(learner, step)
    plain.backward()
    assert loss == pytest.approx(float(plain.detach()), abs=1e-5)
    assert set(ours) == set(weights)
    for name, value in weights.items():
        torch.testing.assert_close(ours[name], value.grad, rtol=1e-4, atol=1e-6)


def _plain_loss(learner: Learner, step: list[Example]) -> torch.Tensor:
    """The same, term by term as the recipe has it: whole logits, one answer at a time, no sharing."""

    def logp(e: Example, answer: tuple[int, ...]) -> torch.Tensor:
        logits = learner.model(input_ids=torch.tensor([[*e.prompt, *answer]])).logits[0, len(e.prompt) - 1 : -1]
        return -torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum")

    now = {(e.id, i): logp(e, answer) for e in step for i, answer in enumerate(e.answers)}
    with torch.no_grad(), learner.model.disable_adapter():
        before = {(e.id, i): logp(e, answer) for e in step for i, answer in enumerate(e.answers)}
    gain = {key: now[key] - before[key] for key in now}
    feedback = 5 * 0.8

    def nll(*names: str) -> torch.Tensor:
        of = [e for e in step if e.id in names]
        return -sum(e.weight * now[e.id, 0] for e in of) / sum(e.weight * e.learned for e in of)  # type: ignore[return-value]

    def compared(name: str, *tokens: float) -> torch.Tensor:
        return -torch.nn.functional.logsigmoid(0.1 * (gain[name, 0] * tokens[0] - gain[name, 1] * tokens[1]))

    contrast, pair = compared("a", 1.0, 1.0), compared("e", 13.0 / step[4].learned, 13.0 / len(step[4].answers[1]))
    unpaired = (1 - torch.sigmoid(0.1 * gain["f", 0]) + 0.5 * torch.sigmoid(0.1 * gain["g", 0])) / 1.5
    shares = 3.0 / feedback * nll("a", "b") + 0.3 * 2.0 / feedback * contrast + 1.0 / feedback * pair
    shares = shares + 0.2 / feedback * nll("e") + 0.3 / feedback * nll("f")
    return shares + 0.5 * 1.5 / feedback * unpaired + 0.3 * (nll("c") + nll("d")) / 2


def told(batch: list[Example]) -> tuple[Scored, torch.Tensor]:
    """What a model might say of a batch, and that as something to learn."""
    logp = torch.full((sum(len(answer) for e in batch for answer in e.answers),), -1.0, requires_grad=True)
    owner = [at for at, answer in enumerate([answer for e in batch for answer in e.answers]) for _ in answer]
    return Scored(logp, torch.tensor(owner)), logp


def pushed(joint: JointLoss, batch: list[Example]) -> list[float]:
    """In which way and how far each learned token of a batch is pushed: up is above 0."""
    scored, logp = told(batch)
    sizes, reference = joint.sizes(batch), {e.id: [[0.0, 0.0]] * len(e.answers) for e in batch}
    joint.total(joint.of(scored, batch, sizes=sizes, reference=reference), sizes).backward()
    assert logp.grad is not None
    return [-value for value in logp.grad.tolist()]


def test_of_tune_rows_only_texts_that_should_come_say_how_likely_what_was_wanted_is() -> None:
    batch = [
        Example(id="k_1", role="target", prompt=(5, 6), answers=((7, 8, 1), (9, 1))),
        Example(id="v_1", role="pair", prompt=(5, 6), answers=((7, 8, 9, 1), (9, 1))),
        Example(id="g_1", role="positive", prompt=(5, 6), answers=((7, 1),)),
        Example(id="g_2", role="negative", prompt=(5, 6), answers=((9, 1),)),
    ]
    scored, _ = told(batch)
    assert wanted(scored, batch) == (-5.0, 5)
    scored, _ = told(batch[1:2])
    assert wanted(scored, batch[1:2]) == (0, 0)


NONE: dict[Part, float] = dict.fromkeys(SHARES, 0.0)


@pytest.mark.parametrize(("role", "part"), [("target", "contrast"), ("pair", "pair")])
def test_a_longer_answer_is_not_pushed_down_on_what_both_begin_with(role: Any, part: Part) -> None:
    same, longer, short = (7, 8, 9), (20, 21, 22, 23, 24, 1), (30, 1)
    row = Example(id="k_1", role=role, prompt=(5, 6), answers=(same + longer, same + short))
    found = pushed(JointLoss({**NONE, part: 1.0}, normal_length=6.0), [row])
    better, worse = found[: row.learned], found[row.learned :]
    assert better[:3] == worse[:3] == [0.0] * 3
    assert all(value > 0.0 for value in better[3:])
    assert all(value < 0.0 for value in worse[3:])
    # By the token, both sides of a vote are pushed as far; a correction's tokens are each pushed alike.
    assert sum(better) == pytest.approx(-sum(worse) if role == "pair" else -sum(worse) * 3)


def test_answers_that_are_the_same_to_their_last_token_still_have_one_of_their_own() -> None:
    row = Example(id="v_1", role="pair", prompt=(5,), answers=((7, 8, 1), (7, 8, 1)))
    assert (row.common, row.apart) == (2, (1, 1))
    assert Example(id="k_1", role="target", prompt=(5,), answers=((7, 8, 1),)).common == 0


def test_only_votes_say_whether_lengths_are_evened_out_and_only_from_where_they_differ(prompter: Prompter) -> None:
    vote = row(1, role="pair", target="It costs 5. Have a nice day, and come again!", rejected="It costs 5.")
    alike = row(2, role="pair", target="It costs 5.", rejected="It costs 6.")
    long = row(3, rejected="x")
    found = prepare(snapshot_of([vote, long]), prompter)
    assert (found.lopsided, found.typical) == (34.0, 17.5)
    assert prepare(snapshot_of([alike, long]), prompter).lopsided == 1.0


def test_a_step_of_light_rows_teaches_as_lightly_as_they_weigh_among_all_feedback() -> None:
    def step(weight: float) -> list[Example]:
        return [example(str(at), 20, role="negative", weight=weight) for at in range(8)]

    joint = JointLoss(SHARES, usual_weight=0.5)
    usual, light = (pushed(joint, step(weight)) for weight in (0.5, 0.05))
    assert light == pytest.approx([value / 10 for value in usual])
    assert pushed(JointLoss(SHARES), step(1.0)) == pytest.approx(usual)  # alike, the weights change nothing


def test_a_replayed_answer_is_held_as_firmly_however_long_it_is() -> None:
    short, long = example("a", 8, role="replay"), example("b", 80, role="replay")
    found = pushed(JointLoss(SHARES), [short, long])
    assert sum(found[:4]) == pytest.approx(sum(found[4:])) == pytest.approx(SHARES["replay"] / 2)


def test_lora_learns_in_fp32_on_every_linear_layer_but_the_head_over_a_frozen_bf16_base(base: Path) -> None:
    learner = Learner(load_base(base, torch.device("cpu")), rank=4, alpha=8, seed=0)
    weights = learner.weights()
    assert len(weights) == 2 * 7 * 2  # layers, linear layers in each, matrices of a LoRA
    assert not any("lm_head" in name or "embed" in name for name in weights)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    frozen = [value for value in learner.model.parameters() if not value.requires_grad]
    assert {value.dtype for value in frozen} == {torch.bfloat16}


# -- a whole run --


def test_run_on_five_corrections_lowers_the_loss_and_leaves_an_adapter_that_peft_loads(
    finished: Path, base: Path, prompter: Prompter
) -> None:
    steps = events(finished, "step")
    assert steps[-1]["loss"] < steps[0]["loss"] - 0.2
    assert [path.name for path in (finished / "candidate").iterdir() if path.suffix != ".json"] == [
        "adapter_model.safetensors"
    ]
    written = (finished / "candidate" / "adapter_config.json").read_text()
    assert json.loads(written)["base_model_name_or_path"] == base.name
    assert str(base.parent) not in written
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids, start = prompter.render_answer(row(0).messages, row(0).target)
    before = _nll(model, ids, start)
    after = _nll(PeftModel.from_pretrained(model, finished / "candidate"), ids, start)
    assert after < before - 0.2


def _nll(model: Any, ids: list[int], start: int) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1]
    return float(torch.nn.functional.cross_entropy(logits.float(), torch.tensor(ids[start:])))


def test_metrics_tell_the_run_in_order(finished: Path) -> None:
    told = events(finished)
    order = [e["event"] if e["event"] != "stage" else e["stage"] for e in told if e["event"] not in ("step", "samples")]
    assert order == ["importing", "loading", "plan", "training", "saving", "done"]
    plan, done = events(finished, "plan")[0], events(finished, "done")[0]
    steps = events(finished, "step")
    assert [e["step"] for e in steps] == list(range(1, plan["steps"] + 1))
    assert all(e["steps"] == plan["steps"] and e["tokens"] > 0 and e["eta_s"] >= 0 for e in steps)
    assert {"rank", "alpha", "learning_rate"} <= set(plan)
    assert plan["precision"] in ("bfloat16", "float32")
    assert set(plan["reasons"]) >= {"rank", "learning_rate", "steps"}
    shown = events(finished, "samples")
    assert (shown[0]["step"], shown[-1]["step"]) == (0, plan["steps"])
    assert all([item["id"] for item in e["items"]] == ["s0", "s5"] for e in shown)
    assert (done["steps"], done["best_step"], done["tune_loss"], done["stopped"]) == (plan["steps"],) * 2 + (
        None,
        False,
    )


def test_same_seed_gives_the_same_losses_and_the_same_bytes(finished: Path, base: Path, tmp_path: Path) -> None:
    write_job(tmp_path, base, snapshot_of([row(i) for i in range(5)]))
    with trainer(tmp_path) as process:
        assert process.wait(timeout=60) == 0
    assert [e["loss"] for e in events(tmp_path, "step")] == [e["loss"] for e in events(finished, "step")]
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "candidate" / name).read_bytes() == (finished / "candidate" / name).read_bytes()


def test_tune_rows_end_a_run_that_gets_no_better_and_keep_the_best(base: Path, tmp_path: Path) -> None:
    taught = [row(i) for i in range(5)]
    contrary = [
        row(9 + at, split="tune", messages=taught[at].messages, target="zzzz") for at in range(4)
    ]  # what is learned makes these worse
    write_job(tmp_path, base, snapshot_of([*taught, *contrary], replays=0), steps=400, learning_rate=0.01)
    with trainer(tmp_path) as process:
        assert process.wait(timeout=60) == 0
    done, tune = events(tmp_path, "done")[0], events(tmp_path, "tune")
    assert tune[0]["step"] == 0
    best = min(tune[1:], key=lambda e: e["nll"])
    assert (done["best_step"], done["tune_loss"]) == (best["step"], pytest.approx(best["loss"], abs=1e-4))
    assert done["best_step"] < done["steps"] < 400
    assert [e["best_step"] for e in tune[-4:]] == [best["step"]] * 4


def wait_for(met: Callable[[], bool], *, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


def test_stop_in_mid_run_keeps_what_was_learned(base: Path, tmp_path: Path) -> None:
    job = write_job(tmp_path, base, snapshot_of([row(i) for i in range(5)]), steps=50_000)
    with trainer(tmp_path) as process:
        wait_for(lambda: len(events(tmp_path, "step")) >= 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    done = events(tmp_path)[-1]
    assert (done["event"], done["stopped"]) == ("done", True)
    assert 3 <= done["steps"] < 50_000
    assert (job.out / "adapter_model.safetensors").is_file()


def test_stop_before_the_first_step_says_that_there_is_nothing_to_keep(base: Path, tmp_path: Path) -> None:
    job = write_job(tmp_path, base, snapshot_of([row(0)]))
    with trainer(tmp_path) as process:
        wait_for(lambda: bool(events(tmp_path, "stage")))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 1
    assert events(tmp_path)[-1] == {
        "event": "error", "message": "Stopped before the first step: there is nothing to keep."
    }  # fmt: skip
    assert not job.out.exists()


def test_trainer_dies_with_the_process_that_started_it(base: Path, tmp_path: Path) -> None:
    write_job(tmp_path, base, snapshot_of([row(i) for i in range(5)]), steps=50_000)
    start = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
    command = [sys.executable, "-c", start, sys.executable, "-m", "ftchat.training", str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "HF_HUB_OFFLINE": "1"}) as app:
        assert app.stdout is not None
        child = int(app.stdout.readline())
        wait_for(lambda: bool(events(tmp_path, "stage")))
        app.kill()
    wait_for(lambda: not _alive(child), seconds=5)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_loss_that_is_no_number_stops_with_a_sentence(base: Path, tmp_path: Path) -> None:
    broken = write_base(tmp_path / "broken")
    model = AutoModelForCausalLM.from_pretrained(broken, dtype=torch.bfloat16)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = math.nan
    model.save_pretrained(broken)
    job = write_job(tmp_path, broken, snapshot_of([row(0)]))
    with trainer(tmp_path) as process:
        assert process.wait(timeout=30) == 1
    message = events(tmp_path, "error")[0]["message"]
    assert message.startswith("The loss was no longer a number at step 1 of ")
    assert "learning rate" in message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "job.json", "log", "metrics.jsonl", "snapshot"]
    assert not job.out.exists()


def test_finished_adapter_is_never_written_over(finished: Path) -> None:
    before = (finished / "candidate" / "adapter_model.safetensors").read_bytes()
    told = len(events(finished))
    with trainer(finished) as process:
        assert process.wait(timeout=20) == 1
    assert events(finished)[told:][0]["message"].startswith("There is already something at ")
    assert (finished / "candidate" / "adapter_model.safetensors").read_bytes() == before
    lines = (finished / "metrics.jsonl").read_text().splitlines(keepends=True)
    (finished / "metrics.jsonl").write_text("".join(lines[:told]))
