"""What the trainer is given: job, snapshot and metrics files, what is refused and how, and the plan made from them."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from training_jobs import events, row, snapshot_of, trainer, write_job, write_snapshot

from ftchat.config import TrainArgs
from ftchat.errors import BadInput
from ftchat.training.job import Job, MetricsLog, read_metrics
from ftchat.training.plan import Amounts, choose, share_of_rate
from ftchat.training.snapshot import read_snapshot


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """As much of a model as is looked at before anything slow is imported."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


# -- what is refused --


def _job_without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda job: {k: v for k, v in job.items() if k != key}


def _job_with(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda job: {**job, **changed}


BAD_JOBS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no base": (_job_without("base"), "The job lacks base."),
    "no object": (lambda job: [job], "The job must be a JSON object."),
    "no json": (lambda job: json.dumps(job)[:-9], "The job file is not valid JSON"),
    "unknown key": (_job_with(model="x"), "The job has an unknown key: model."),
    "a base that is not there": (_job_with(base="nowhere"), "There is no model in nowhere: its config.json is"),
    "no snapshot": (_job_with(snapshot="nowhere"), "There is no complete snapshot in nowhere"),
    "text for a number": (_job_with(args={"rank": "8"}), "rank must be a whole number."),
    "half a step": (_job_with(args={"steps": 1.5}), "steps must be a whole number."),
    "out of bounds": (_job_with(args={"learning_rate": 7}), "learning_rate is 7: it must be between 0.0 and 0.1."),
    "not a number": (_job_with(args={"learning_rate": math.nan}), "The job file is not valid JSON: NaN is not a"),
    "unknown argument": (_job_with(args={"lr": 1e-3}), "There is no training argument called 'lr'."),
    "unknown effort": (_job_with(args={"effort": "huge"}), "effort is 'huge': use quick, normal, thorough."),
    "start without quick": (_job_with(start="x"), "start is given and effort is normal: only quick continues from"),
    "fresh without start": (_job_with(fresh=["k_0"]), "fresh is given and start is not: rows are fresh to an adapter"),
    "steps and effort": (
        _job_with(args={"steps": 40, "effort": "thorough"}), "steps is 40 and effort is thorough, which chooses steps",
    ),
    "threads": (_job_with(threads=-1), "threads is -1: it must be between 0 and 1024."),
    "nul in a path": (_job_with(out="a\x00b"), "The job's out must be a text that is not empty."),
    "a sample without messages": (
        _job_with(samples=[{"id": "a", "messages": [], "taught": True}]), "Sample a: the messages must end with one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", BAD_JOBS)
def test_malformed_job_is_refused_with_a_sentence(shape: str, base: Path, tmp_path: Path) -> None:
    write_job(tmp_path, base, snapshot_of([row(0)]))
    damage, sentence = BAD_JOBS[shape]
    damaged = damage(json.loads((tmp_path / "job.json").read_text()))
    (tmp_path / "job.json").write_text(damaged if isinstance(damaged, str) else json.dumps(damaged))
    with trainer(tmp_path) as process:
        assert process.wait(timeout=20) == 1
    assert [e["event"] for e in events(tmp_path)] == ["error"]
    assert events(tmp_path)[0]["message"].startswith(sentence)
    assert not (tmp_path / "candidate").exists()


def test_unreadable_job_file_says_so_beside_it(tmp_path: Path) -> None:
    with trainer(tmp_path) as process:
        assert process.wait(timeout=20) == 1
    message = events(tmp_path)[0]["message"]
    assert message == f"The job file is missing: {tmp_path / 'job.json'}."
    assert (tmp_path / "log").read_text() == f"{message}\n"


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "role": ({"role": "tie"}, "Line 2 of rows.jsonl has the role 'tie'; this trainer knows target, pair,"),
    "pair of one": ({"role": "pair"}, "Line 2 of rows.jsonl is a pair: rejected must be the text of the other reply."),
    "two liked": ({"role": "positive", "rejected": "x"}, "Line 2 of rows.jsonl is one positive reply: rejected must"),
    "rejected": ({"rejected": 3}, "Line 2 of rows.jsonl: rejected must be a text or null."),
    "split": ({"split": "all"}, "Line 2 of rows.jsonl has the split 'all': use train or tune."),
    "weight": ({"weight": 0}, "Line 2 of rows.jsonl: weight is 0.0: it must be above 0"),
    "no weight": ({"weight": None}, "Line 2 of rows.jsonl: weight must be a number."),
    "target": ({"target": ""}, "Line 2 of rows.jsonl: target must be a text that is not empty."),
    "messages": ({"messages": [{"role": "assistant", "content": "x"}]}, "Line 2 of rows.jsonl: the messages must end"),
    "content": ({"messages": [{"role": "user", "content": 3}]}, "Line 2 of rows.jsonl: role and content of a message"),
    "speaker": ({"messages": [{"role": "robot", "content": "x"}]}, "A message's role is 'robot'"),
    "extra": ({"more": 1}, "Line 2 of rows.jsonl has an unknown key: more."),
    "twice": ({"id": "k_0"}, "Row k_0 stands twice in the snapshot."),
}


@pytest.mark.parametrize("shape", BAD_ROWS)
def test_malformed_row_is_refused_with_its_line(shape: str, tmp_path: Path) -> None:
    changed, sentence = BAD_ROWS[shape]
    folder = write_snapshot(tmp_path / "snapshot", snapshot_of([row(0)]))
    with (folder / "rows.jsonl").open("a") as file:
        file.write(json.dumps({**asdict(row(1)), **changed}) + "\n")
    with pytest.raises(BadInput) as refused:
        read_snapshot(folder)
    assert refused.value.message.startswith(sentence)


def test_snapshot_is_read_whole_without_exam_rows(tmp_path: Path) -> None:
    rows = [row(0), row(1, split="tune")]
    folder = write_snapshot(tmp_path / "snapshot", snapshot_of(rows, replays=2))
    with (folder / "rows.jsonl").open("a") as file:
        file.write(json.dumps(asdict(row(2, split="exam"))) + "\n")
    assert read_snapshot(folder) == snapshot_of(rows, replays=2)
    (folder / "rows.jsonl").write_text(json.dumps(asdict(rows[1])) + "\n")
    with pytest.raises(BadInput, match="no row to train on"):
        read_snapshot(folder)


# -- job and metrics files --


def test_job_comes_back_from_its_file_as_it_was_written(base: Path, tmp_path: Path) -> None:
    job = write_job(tmp_path, base, snapshot_of([row(0)]), effort="quick", seed=7)
    assert Job.read(tmp_path / "job.json") == job


def test_metrics_are_read_on_from_an_offset_and_a_line_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path, 0) == ([], 0)
    log = MetricsLog(path)
    log.write("stage", stage="größer")
    first, offset = read_metrics(path, 0)
    assert first == [{"event": "stage", "stage": "größer"}]
    with path.open("ab") as file:
        file.write(b'{"event": "step", "st')
    assert read_metrics(path, offset) == ([], offset)
    with path.open("ab") as file:
        file.write(b'ep": 1}\n{"event": "cut off\n')
    log.write("done")
    log.close()
    assert read_metrics(path, offset) == ([{"event": "step", "step": 1}, {"event": "done"}], path.stat().st_size)


# -- plan --


def amounts(targets: int = 5, *, replay: int = 30, width: int = 256, **more: Any) -> Amounts:
    return Amounts(targets=targets, replay=replay, width=width, **more)


def test_plan_grows_with_the_data_and_gives_a_reason_for_each_choice() -> None:
    plans = [choose(TrainArgs(), amounts(n)) for n in (1, 5, 40, 200, 5000)]
    assert [plan.rank for plan in plans] == [8, 8, 8, 16, 32]
    assert [plan.alpha for plan in plans] == [16, 16, 16, 32, 64]
    assert [plan.steps for plan in plans] == sorted(plan.steps for plan in plans)
    assert [plan.rows_per_step for plan in plans] == [1, 5, 8, 8, 16]
    assert all(all(plan.reasons.values()) for plan in plans)
    passes = plans[-1].steps * plans[-1].rows_per_step / 5000
    assert 0.9 < passes < 2.0


def test_learning_rate_falls_with_width_to_what_large_models_are_given() -> None:
    rates = {width: choose(TrainArgs(), amounts(40, width=width)).learning_rate for width in (256, 896, 4096)}
    assert 1e-3 <= rates[256] <= 2e-3
    assert rates[256] > rates[896] > rates[4096]
    assert 1e-4 <= rates[4096] <= 2.5e-4


def test_mostly_preferences_learn_at_a_fifth_of_the_rate_in_wide_models_and_at_the_same_in_the_practice_model() -> None:
    for width, share in ((256, 1.0), (4096, 0.2)):
        votes = choose(TrainArgs(), amounts(0, pairs=30, positives=5, negatives=5, width=width))
        mixed = choose(TrainArgs(), amounts(20, pairs=20, width=width))
        assert votes.learning_rate / mixed.learning_rate == pytest.approx(share, abs=0.01)
        assert "mostly votes and ratings" in votes.reasons["learning_rate"]
        assert "votes" not in mixed.reasons["learning_rate"]
        assert (votes.rank, votes.steps) == (mixed.rank, mixed.steps) == (8, 80)


def test_pairs_whose_wanted_answers_are_much_longer_are_compared_by_the_token() -> None:
    even, longer, shorter = (choose(TrainArgs(), amounts(lopsided=x, typical=21.25)) for x in (1.4, 2.0, 0.5))
    assert [plan.normal_length for plan in (even, longer, shorter)] == [0.0, 21.2, 21.2]
    assert longer.reasons["normal_length"] == "Winners of votes are 2.0 times longer, so tokens are compared."
    assert "2.0 times shorter" in shorter.reasons["normal_length"]


def test_fewer_than_four_tune_rows_neither_choose_what_is_kept_nor_end_a_run() -> None:
    plans = {tune: choose(TrainArgs(), amounts(tune=tune)) for tune in (0, 1, 3, 4)}
    assert {tune: plan.patience for tune, plan in plans.items()} == {0: 0, 1: 0, 3: 0, 4: 3}
    assert {tune: plan.reasons["patience"] for tune, plan in plans.items()} == {
        0: "No tune rows, so the steps are fixed and the last weights are kept.",
        **dict.fromkeys(
            (1, 3), "Fewer than 4 tune rows say too little, so the steps are fixed and the last weights are kept."
        ),
        4: "Ends after 3 looks at the tune rows without gain; the best is kept.",
    }


def test_continued_adapter_gives_its_rank_and_fresh_rows_their_number_of_steps() -> None:
    plan = choose(TrainArgs(effort="quick"), amounts(100, fresh=5, rank=16, alpha=20))
    assert (plan.rank, plan.alpha, plan.steps) == (16, 20, 30)
    assert plan.reasons["steps"] == ("Effort quick: each fresh row is seen about 24 times, with 4 old ones.")


def test_effort_is_one_dial_over_the_steps() -> None:
    quick, normal, thorough = (choose(TrainArgs(effort=e), amounts()).steps for e in ("quick", "normal", "thorough"))
    assert quick < normal < thorough


def test_arguments_that_are_given_are_taken_as_they_are() -> None:
    given = TrainArgs(rank=3, learning_rate=5e-4, steps=7, replay_share=0.2, batch_tokens=512, seed=9)
    plan = choose(given, amounts(100, tune=3))
    assert (plan.rank, plan.learning_rate, plan.steps, plan.replay_share) == (3, 5e-4, 7, 0.2)
    assert (plan.batch_tokens, plan.seed) == (512, 9)
    assert [plan.reasons[key] for key in ("rank", "learning_rate", "steps")] == ["Given."] * 3
    more = {
        "alpha": 5, "warmup_steps": 2, "rows_per_step": 3, "replay_per_step": 4, "weight_decay": 0.01, "clip_norm": 0.5,
        "evaluate_every": 6, "patience": 7,
    }  # fmt: skip
    plan = choose(TrainArgs(**more), amounts(100, tune=4))
    assert {key: getattr(plan, key) for key in more} == more
    assert choose(TrainArgs(patience=7), amounts(100)).patience == 0  # there is nothing to look at


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 5, "warmup_steps": 6}, "warmup_steps is 6 and steps is 5: it cannot be more."),
        ({"replay_per_step": 4, "replay_share": 0.0}, "replay_per_step is 4 and replay_share is 0: leave out one."),
        ({"clip_norm": 0.0}, "clip_norm is 0.0: it must be between 0.01 and 1000.0."),
    ],
)
def test_arguments_that_contradict_each_other_are_both_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        TrainArgs(**given)
    assert refused.value.message == words


def test_without_replay_the_plan_goes_slower_and_says_why() -> None:
    alone = choose(TrainArgs(replay_share=0.0), amounts())
    assert alone.replay_per_step == 0
    assert alone.learning_rate < choose(TrainArgs(), amounts()).learning_rate
    assert "no replay" in alone.reasons["learning_rate"]
    assert choose(TrainArgs(), amounts(replay=0)).replay_per_step == 0


def test_parts_that_the_app_imports_bring_no_torch() -> None:
    code = "import sys; from ftchat.training import guards, job, plan, snapshot; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_rate_rises_in_a_tenth_of_the_steps_and_falls_as_a_cosine_to_nearly_nothing() -> None:
    plan = choose(TrainArgs(steps=100), amounts())
    shares = [share_of_rate(step, plan) for step in range(1, 101)]
    assert plan.warmup_steps == 10
    assert shares[:10] == [pytest.approx(step / 10) for step in range(1, 11)]
    assert shares[9:] == sorted(shares[9:], reverse=True)
    middle = 10 + 91 // 2
    assert shares[middle - 1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 45 / 91)))
    assert 0.0 < shares[-1] < 0.001
    assert [share_of_rate(1, choose(TrainArgs(steps=1), amounts()))] == [1.0]
