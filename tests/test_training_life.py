"""The life of a run: killed and resumed, short of memory, gone wrong, continued from an adapter, watched in curves."""

import json
import math
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_llama import write_base
from training_jobs import events, row, rows_of_every_kind, snapshot_of, trainer, write_job, write_snapshot

from ftchat.config import TrainArgs
from ftchat.errors import BadInput, NotFound, TrainingError
from ftchat.prompt import Prompter
from ftchat.training import __main__ as process
from ftchat.training import cores, guards
from ftchat.training.checkpoint import Checkpoint
from ftchat.training.curves import Curves
from ftchat.training.job import Job, MetricsLog
from ftchat.training.loop import Course, Outcome
from ftchat.training.measure import TAUGHT, Look
from ftchat.training.model import Learner, load_base
from ftchat.training.plan import choose
from ftchat.training.rows import Example, Examples, prepare
from ftchat.training.run import amounts_of, run
from ftchat.training.save import save_adapter
from ftchat.training.snapshot import read_snapshot
from ftchat.training.start import read_start


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "tiny-llama")


def trained_here(folder: Path) -> list[dict[str, Any]]:
    """The job in a folder done in this process, which has imported everything already; its events."""
    job = Job.read(folder / "job.json")
    log = MetricsLog(job.metrics)
    try:
        run(job, read_snapshot(job.snapshot), log=log, stop=threading.Event())
    finally:
        log.close()
    return events(folder)


# -- killed --


def _killed_and_resumed(folder: Path, *, moments: Sequence[int]) -> list[dict[str, Any]]:
    """Kill the trainer when it has made so many steps, again and again, then let it finish; all its events."""
    for moment in moments:
        with trainer(folder) as process:
            until = time.monotonic() + 60
            while max((e["step"] for e in events(folder, "step")), default=0) < moment:
                assert time.monotonic() < until, (folder / "log").read_text()
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.005)
            process.kill()
        assert not (folder / "candidate").exists()
    with trainer(folder) as process:
        assert process.wait(timeout=60) == 0, (folder / "log").read_text()
    return events(folder)


def _compare_with_a_run_in_one_go(base: Path, folder: Path, *, moments: Sequence[int], steps: int) -> None:
    snapshot = snapshot_of(rows_of_every_kind())
    for name in ("whole", "killed"):
        (folder / name).mkdir()
        write_job(folder / name, base, snapshot, steps=steps, learning_rate=3e-4)
    whole = trained_here(folder / "whole")
    killed = _killed_and_resumed(folder / "killed", moments=moments)
    resumed = [e["step"] for e in killed if e["event"] == "resumed"]
    assert len([moment for moment in moments if moment > steps // 10]) <= len(resumed) <= len(moments)
    losses = [{e["step"]: e["loss"] for e in told if e["event"] == "step"} for told in (whole, killed)]
    assert losses[0].keys() == losses[1].keys()
    assert [losses[1][step] for step in losses[0]] == pytest.approx(list(losses[0].values()), abs=2e-3)
    assert killed[-1]["tune_loss"] == pytest.approx(whole[-1]["tune_loss"], abs=2e-3)
    ours, theirs = (
        load_file(folder / name / "candidate" / "adapter_model.safetensors") for name in ("killed", "whole")
    )
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0.0, atol=2e-3)
    assert not list((folder / "killed").glob(".candidate*"))


def test_run_that_is_killed_goes_on_from_its_checkpoint_and_ends_where_it_would_have(
    base: Path, tmp_path: Path
) -> None:
    _compare_with_a_run_in_one_go(base, tmp_path, moments=(50,), steps=80)


@pytest.mark.soak
def test_run_killed_at_ten_random_moments_ends_where_it_would_have(base: Path, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print("moments by seed", seed)  # shown when it fails
    moments = sorted(random.Random(seed).sample(range(1, 300), 10))
    _compare_with_a_run_in_one_go(base, tmp_path, moments=moments, steps=300)


def test_checkpoint_of_another_job_and_a_damaged_one_are_passed_over(base: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    job = write_job(tmp_path / "a", base, snapshot_of([row(0)]))
    kept = Checkpoint(job)
    assert kept.read() is None
    kept.write({"step": 3, "weights": {"a": torch.ones(2)}})
    found = kept.read()
    assert found is not None
    assert (found["step"], found["weights"]["a"].tolist()) == (3, [1.0, 1.0])
    other = Job(base=job.base, snapshot=job.snapshot, out=job.out, metrics=job.metrics, args=TrainArgs(seed=1))
    assert Checkpoint(other).read() is None
    kept.path.write_bytes(kept.path.read_bytes()[:-200])
    assert kept.read() is None
    kept.remove()
    assert not kept.path.exists()


# -- in this process --


class _Nowhere:
    """A keeper that keeps nothing."""

    def read(self) -> None:
        return None

    def write(self, state: dict[str, Any]) -> None:
        assert state["state"]["step"] > 0


class _Starved(Learner):
    """A learner in whose memory only so many tokens fit at once."""

    room = 10**9

    def score(self, batch: Sequence[Example]) -> Any:
        lengths = [line.length for e in batch for line in e.lines(shared=self.shared)]
        if max(lengths) * len(lengths) > self.room:
            raise torch.OutOfMemoryError("Tried to allocate more than there is.")
        return super().score(batch)


@contextmanager
def course_of(
    base: Path, folder: Path, examples: Examples, *, learner: Learner | None = None, **args: Any
) -> Iterator[Course]:
    plan = choose(TrainArgs(**{"steps": 12, "batch_tokens": 512, **args}), amounts_of(examples, width=64))
    learner = learner or Learner(load_base(base, torch.device("cpu")), rank=plan.rank, alpha=plan.alpha, seed=0)
    log = MetricsLog(folder / "metrics.jsonl")
    try:
        yield Course(
            learner, examples, plan=plan, prompter=Prompter(base), samples=(), log=log, stop=threading.Event(),
            keeper=_Nowhere(),
        )  # fmt: skip
    finally:
        log.close()


@pytest.fixture(scope="module")
def examples(base: Path) -> Examples:
    return prepare(snapshot_of(rows_of_every_kind()), Prompter(base))


def starved(base: Path, room: int) -> Learner:
    learner = _Starved(load_base(base, torch.device("cpu")), rank=8, alpha=16, seed=0)
    learner.room = room  # type: ignore[attr-defined]
    return learner


def test_shortage_of_memory_is_met_once_with_half_the_tokens(base: Path, examples: Examples, tmp_path: Path) -> None:
    with course_of(base, tmp_path, examples, learner=starved(base, 300)) as course:
        assert course.run().steps == 12
    assert events(tmp_path, "memory") == [{"event": "memory", "batch_tokens": 256}]
    (tmp_path / "plenty").mkdir()
    with course_of(base, tmp_path / "plenty", examples) as plenty:
        plenty.run()
    losses = [[e["loss"] for e in events(folder, "step")] for folder in (tmp_path, tmp_path / "plenty")]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)  # how a step is cut does not change what it learns


def test_second_shortage_of_memory_ends_with_advice(base: Path, examples: Examples, tmp_path: Path) -> None:
    course = course_of(base, tmp_path, examples, learner=starved(base, 100))
    with course as started, pytest.raises(TrainingError) as refused:
        started.run()
    assert refused.value.message == (
        "There was not enough memory for training, with 256 tokens at once either. Close other programs, or set "
        "batch_tokens below 256, a lower rank, or a smaller base model."
    )


def test_row_that_is_too_long_by_itself_is_named_since_fewer_tokens_at_once_do_not_help(
    base: Path, tmp_path: Path
) -> None:
    found = prepare(snapshot_of([row(0), row(1, target="z" * 120)]), Prompter(base))
    course = course_of(base, tmp_path, found, learner=starved(base, 150))
    with course as started, pytest.raises(TrainingError) as refused:
        started.run()
    (length,) = (line.length for line in found.feedback[1].lines(shared=True))
    assert refused.value.message == (
        f"There was not enough memory for training on row k_1 even alone: it has {length} tokens, and batch_tokens "
        "does not cut a row. Close other programs, reject that feedback or make it shorter, or use a smaller base "
        "model."
    )


def test_a_killed_trainers_job_goes_on_with_half_the_tokens(base: Path, examples: Examples, tmp_path: Path) -> None:
    plan = choose(TrainArgs(steps=3, batch_tokens=512), amounts_of(examples, width=64))
    learner = Learner(load_base(base, torch.device("cpu")), rank=plan.rank, alpha=plan.alpha, seed=0)
    with closing(MetricsLog(tmp_path / "metrics.jsonl")) as log:
        Course(
            learner, examples, plan=plan, prompter=Prompter(base), samples=(), log=log, stop=threading.Event(),
            keeper=_Nowhere(), halve=True,
        ).run()  # fmt: skip
    assert [e["batch_tokens"] for e in events(tmp_path, "memory")] == [256]


def test_where_memory_is_short_for_samples_and_probe_the_adapter_is_made_without_them(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate more than there is.")

    write_job(tmp_path, base, snapshot_of([row(0), row(1)]), steps=4)
    monkeypatch.setattr(Learner, "answer", short)
    monkeypatch.setattr("ftchat.training.run.probe_of", short)
    told = trained_here(tmp_path)
    assert [e["message"].split(":")[0] for e in told if e["event"] == "warning"] == [
        "No more sample answers",
        "The adapter is kept without a probe",
    ]
    assert told[-1]["event"] == "done"
    assert {path.name for path in (tmp_path / "candidate").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip


def test_curves_that_cannot_be_written_end_no_run(base: Path, tmp_path: Path) -> None:
    write_job(tmp_path, base, snapshot_of([row(0), row(1)]), steps=4)
    (tmp_path / "tensorboard").write_text("no folder")
    told = trained_here(tmp_path)
    assert [e["message"].startswith("No more curves") for e in told if e["event"] == "warning"] == [True]
    assert told[-1]["event"] == "done"


def test_an_adapter_of_which_nobody_can_be_told_is_not_left(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(tmp_path, base, snapshot_of([row(0), row(1)]), steps=4)
    wrote = MetricsLog.write

    def full(self: MetricsLog, event: str, **facts: Any) -> None:
        if event == "done":
            raise OSError(28, "No space left on device")
        wrote(self, event, **facts)

    monkeypatch.setattr(MetricsLog, "write", full)
    assert process.main([str(tmp_path / "job.json")], threading.Event()) == 1
    assert not (tmp_path / "candidate").exists()
    assert events(tmp_path)[-1]["message"] == (
        "The trainer could not read or write its files ([Errno 28] No space left on device). Make room on the disk and "
        "press Retrain again."
    )


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow larger, as on a disk that is full."""
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, allowed[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before_and_nothing_beside_it(
    base: Path, tmp_path: Path
) -> None:
    keeper = Checkpoint(write_job(tmp_path, base, snapshot_of([row(0)])))
    keeper.write({"step": 1})
    with files_up_to(1 << 16), pytest.raises(OSError, match=r"\w"):
        keeper.write({"step": 2, "weights": torch.zeros(1 << 20)})
    assert keeper.read() == {"step": 1}
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_an_adapter_that_finds_no_room_says_what_to_do(base: Path, tmp_path: Path) -> None:
    learner = Learner(load_base(base, torch.device("cpu")), rank=64, alpha=8, seed=1)
    with files_up_to(1 << 12), pytest.raises(OSError, match=r"\w") as caught:
        save_adapter(learner, tmp_path / "candidate", base_name="tiny")
    assert "Make room on the disk" in process._words(caught.value)
    assert not [path for path in tmp_path.iterdir() if "candidate" in path.name]


def test_a_trainer_whose_app_went_before_it_looked_goes_too(tmp_path: Path) -> None:
    code = "from ftchat.training.parent import die_with_parent; die_with_parent(); print('here')"
    for app, status, said in ((os.getpid(), 0, "here\n"), (2**22 - 1, -signal.SIGKILL, "")):
        env = {**os.environ, "FTCHAT_APP_PID": str(app)}
        ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout) == (status, said)


@pytest.mark.parametrize(("allowed", "wanted"), [(True, [os.SCHED_IDLE, 0]), (False, [os.SCHED_OTHER, 19])])
def test_who_takes_all_cores_computes_where_nobody_else_does(allowed: bool, wanted: list[int]) -> None:
    code = """
import os
from ftchat.training.parent import take_what_is_left
def refused(*given):
    raise PermissionError(1, "Operation not permitted")
if not ALLOWED:
    os.sched_setscheduler = refused
take_what_is_left()
# A kernel without such groups has no file, and says nothing in it where they are off.
group = open("/proc/self/autogroup").read().split() if os.path.exists("/proc/self/autogroup") else []
weight = int((group or ["19"])[-1])
print([os.sched_getscheduler(0), 0 if ALLOWED else os.getpriority(os.PRIO_PROCESS, 0), os.getsid(0), weight])
"""
    before = os.getsid(0)
    ran = subprocess.run([sys.executable, "-c", code.replace("ALLOWED", str(allowed))], capture_output=True, check=True)
    *policy, session, weight = json.loads(ran.stdout)
    assert policy == wanted
    assert session != before
    assert weight == 19


def test_a_job_that_leaves_it_open_has_its_cores_chosen(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(cores, "share", lambda device, base: (asked.append((device.type, base)), 1)[1])
    monkeypatch.setattr(cores, "take", asked.append)
    job = write_job(tmp_path, base, snapshot_of(rows_of_every_kind()), steps=1)
    replace(job, threads=0).write(tmp_path / "job.json")
    told = trained_here(tmp_path)
    assert asked == [("cpu", job.base), 1]
    assert next(e for e in told if e["event"] == "plan")["threads"] == 1


@pytest.mark.parametrize(("width", "wanted"), [(256, 4), (511, 4), (512, 8), (896, 8), (0, 4)])
def test_all_cores_train_a_wide_base(width: int, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": width}), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    cpu, found = torch.device("cpu"), []
    for ration in ("", "max 100000", "800000 100000", "799999 100000"):
        cores._QUOTA.write_text(ration, encoding="ascii")
        found.append(cores.share(cpu, tmp_path))
    assert found == [wanted, wanted, wanted, 4]
    cores._QUOTA.unlink()
    assert [cores.share(device, tmp_path) for device in (cpu, torch.device("cuda"))] == [wanted, 4]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert cores.share(cpu, tmp_path) == 1


@pytest.mark.parametrize(("threads", "asks"), [(1, False), (4, False), (5, True), (8, True)])
def test_who_takes_more_than_half_the_cores_gives_way(
    threads: int, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    done: list[object] = []
    monkeypatch.setattr(torch, "set_num_threads", done.append)
    monkeypatch.setattr(cores, "take_what_is_left", lambda: done.append("asked"))
    cores.take(threads)
    assert done == [threads, *(["asked"] if asks else [])]


@pytest.mark.parametrize(
    ("err", "starved"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("Tried to allocate 2 GiB."), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA error: out of memory"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(28, "No space left on device"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("The memory format is not supported"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_errors_that_speak_of_memory(
    err: Exception, starved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise err

    monkeypatch.setattr(process, "_train", broken)
    monkeypatch.setattr(process.Job, "read", lambda _: None)
    assert guards.starved(err) == starved
    assert process.main([str(tmp_path / "job.json")], threading.Event()) == 1
    (message,) = (e["message"] for e in events(tmp_path, "error"))
    other = "The trainer could not read or write" if isinstance(err, OSError) else "The trainer broke (RuntimeError: "
    assert message.startswith("There was not enough memory" if starved else other)


class _Poisoned(Learner):
    """A learner whose log-probabilities are no numbers from some call on."""

    calls, good = 0, 10**9

    def score(self, batch: Sequence[Example]) -> Any:
        scored = super().score(batch)
        self.calls += 1
        return type(scored)(scored.logp * math.nan, scored.owner) if self.calls > self.good else scored


def test_loss_that_stops_being_a_number_ends_the_run_with_what_was_kept(base: Path, tmp_path: Path) -> None:
    found = prepare(snapshot_of([row(i) for i in range(4)]), Prompter(base))
    learner = _Poisoned(load_base(base, torch.device("cpu")), rank=8, alpha=16, seed=0)
    learner.calls, learner.good = 0, 30
    with course_of(base, tmp_path, found, learner=learner, steps=40) as course:
        outcome = course.run()
    assert outcome.halted == f"The loss was no longer a number at step {outcome.steps + 1} of 40."
    assert outcome.best_step == outcome.steps // 8 * 8 > 0
    assert all(torch.isfinite(value).all() for value in learner.weights().values())
    assert events(tmp_path)[-1] == {"event": "halted", "step": outcome.steps, "reason": outcome.halted}


def test_guard_that_ends_a_run_before_any_look_leaves_nothing_and_says_what_to_do(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = prepare(snapshot_of([row(i) for i in range(4)]), Prompter(base))
    monkeypatch.setattr(guards, "exploding", lambda norms: "The gradient grew." if len(norms) > 2 else None)
    with course_of(base, tmp_path, found, steps=40) as course, pytest.raises(TrainingError) as refused:
        course.run()
    assert refused.value.message == (
        "The gradient grew. That was before any weights were good enough to be kept, so nothing was. Try a learning "
        "rate below 0.0059; if that does not help, the base model's files may be damaged."
    )
    assert events(tmp_path, "step")[-1]["step"] == 3


def test_tune_loss_that_stops_being_a_number_ends_the_run_with_what_was_kept(base: Path, tmp_path: Path) -> None:
    rows = [row(i) for i in range(4)] + [row(10 + i, split="tune") for i in range(4)]
    found = prepare(snapshot_of(rows), Prompter(base))
    learner = _Poisoned(load_base(base, torch.device("cpu")), rank=8, alpha=16, seed=0)
    tuned: list[int] = []

    def tune(self: Course) -> Look:
        tuned.append(len(tuned))
        look = measured(self)
        return replace(look, nll=math.inf) if len(tuned) == 4 else look

    measured = Course._tune
    with pytest.MonkeyPatch.context() as patched, course_of(base, tmp_path, found, learner=learner, steps=40) as course:
        patched.setattr(Course, "_tune", tune)
        outcome = course.run()
    assert outcome.halted == "The loss of answers kept aside was no longer a number at step 12 of 40."
    assert (outcome.steps, outcome.best_step) == (12, 8)
    assert outcome.tune_loss == pytest.approx(events(tmp_path, "tune")[-1]["loss"], abs=1e-5)
    assert events(tmp_path)[-1] == {"event": "halted", "step": 12, "reason": outcome.halted}


def test_base_that_makes_no_numbers_of_tune_rows_is_refused_with_a_sentence(base: Path, tmp_path: Path) -> None:
    rows = [row(i) for i in range(4)] + [row(10 + i, split="tune") for i in range(4)]
    learner = _Poisoned(load_base(base, torch.device("cpu")), rank=8, alpha=16, seed=0)
    learner.calls, learner.good = 0, 0
    found = prepare(snapshot_of(rows), Prompter(base))
    course = course_of(base, tmp_path, found, learner=learner)
    with course as started, pytest.raises(TrainingError, match="kept aside was no longer a number at step 0 of 12"):
        started.run()


# -- what is kept --


def judged(base: Path, folder: Path, looks: Sequence[tuple[float, float]], tune: Sequence[Any]) -> Outcome:
    """A run whose looks at its tune rows come out so: joint loss and nats a token."""
    found = prepare(snapshot_of([row(i) for i in range(4)] + list(tune)), Prompter(base))
    taught = any(one.role in TAUGHT for one in found.tune)
    told = iter([(loss, nll if taught else None) for loss, nll in [(3.0, 3.0), *looks]])
    with pytest.MonkeyPatch.context() as patched, course_of(base, folder, found, steps=40) as course:
        patched.setattr(Course, "_tune", lambda _: Look(*next(told), None))
        return course.run()


def asides(count: int, **more: Any) -> list[Any]:
    return [row(10 + at, split="tune", **more) for at in range(count)]


LOOKS = [(2.0, 2.0), (1.5, 1.0), (1.2, 1.1), (0.9, 1.2), (0.8, 1.3), *[(0.7, 1.4)] * 5]
VOTES = {"role": "pair", "rejected": "No."}


@pytest.mark.parametrize(
    ("tune", "steps", "kept", "loss"),
    [
        (asides(4), 20, 8, 1.5),  # the joint loss goes on falling, the wanted texts are best at the second look
        (asides(3), 40, 40, 0.7),
        (asides(4, **VOTES), 36, 24, 0.7),  # a vote says which is better, and not that either text should come
    ],
    ids=["corrections", "too few", "votes alone"],
)
def test_the_best_is_chosen_by_how_likely_wanted_texts_are(
    tune: list[Any], steps: int, kept: int, loss: float, base: Path, tmp_path: Path
) -> None:
    outcome = judged(base, tmp_path, LOOKS, tune)
    assert (outcome.steps, outcome.best_step, outcome.tune_loss) == (steps, kept, loss)
    assert [e["best_step"] for e in events(tmp_path, "tune")][-1] == kept


# -- guards --


def test_gradient_that_explodes_is_told_from_one_that_varies() -> None:
    steady = [1.0, 1.4, 0.7, 2.0, 0.9, 1.1, 3.0, 0.8, 1.2]
    assert guards.exploding([*steady, 40.0, 2.0, 60.0]) is None
    assert guards.exploding([0.01] * 9 + [0.5, 0.6, 0.7]) is None  # clipping leaves that as it is
    assert guards.exploding([*steady[:4], 40.0, 50.0, 60.0]) is None  # too early to say what is usual
    assert guards.exploding([*steady, 40.0, 50.0, 60.0]) == (
        "The gradient grew to 60, 55 times what was usual in this run."
    )
    assert guards.not_a_number(math.inf, 1.0)
    assert guards.not_a_number(1.0, math.nan)
    assert not guards.not_a_number(1.0, 0.0)


def test_wanted_answers_that_become_unlikely_are_noticed_at_the_mean_of_five_steps() -> None:
    assert guards.falling([-1.0] * 4) is None
    assert guards.falling([-1.0, 0.5, 0.5, -0.2, -0.2]) is None
    assert guards.falling([9.0, -0.2, -0.1, -0.2, -0.1, -0.2]) == (
        "Wanted answers became less likely than for base, by 0.16 nats a token; the limit is 0.1."
    )


def test_overfit_is_three_looks_without_gain() -> None:
    assert guards.overfit([]) is None
    assert guards.overfit([2.0, 1.0, 1.1, 1.2]) is None
    assert guards.overfit([2.0, 1.0, 1.1, 1.2, 1.0]) == (
        "Answers kept aside got no closer in the last 3 looks, so what is learned now is only by heart."
    )


# -- going on from an adapter --


@pytest.fixture(scope="module")
def champion(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("champion")
    write_job(folder, base, snapshot_of([row(i) for i in range(3)]), rank=4)
    trained_here(folder)
    return folder / "candidate"


def test_quick_goes_on_from_an_adapter_and_rehearses_what_it_knew(base: Path, champion: Path, tmp_path: Path) -> None:
    snapshot = snapshot_of([row(i) for i in range(6)])
    job = write_job(tmp_path, base, snapshot, effort="quick")
    job = Job(**{**vars(job), "start": champion, "fresh": ("k_3", "k_4", "k_5")})
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
    trained_here(tmp_path)
    plan, steps = events(tmp_path, "plan")[0], events(tmp_path, "step")
    assert (plan["rank"], plan["alpha"]) == (4, 8)
    assert plan["reasons"]["rank"] == "That of the adapter that is continued."
    assert plan["reasons"]["steps"].startswith("Effort quick: each fresh row is seen about ")
    first = load_file(champion / "adapter_model.safetensors")
    second = load_file(tmp_path / "candidate" / "adapter_model.safetensors")
    assert first.keys() == second.keys()
    moved = max(float((second[name] - first[name]).abs().max()) for name in first)
    fresh = max(float((value).abs().max()) for value in second.values())
    assert 0.0 < moved < fresh
    began = events(champion.parent, "step")
    assert steps[0]["loss"] < began[0]["loss"] - 0.1  # it begins where the champion ended, not at base


def test_start_that_cannot_be_continued_is_refused(base: Path, champion: Path, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot", snapshot_of([row(0)]))

    def job(start: Path, **args: Any) -> Job:
        given = TrainArgs(effort="quick", **args)
        paths = {"base": base, "snapshot": tmp_path / "snapshot", "out": tmp_path / "out", "metrics": tmp_path / "m"}
        return Job(**paths, args=given, start=start)

    with pytest.raises(BadInput, match="rank is 8 and start is an adapter of rank 4: leave out one"):
        read_start(job(champion, rank=8))
    with pytest.raises(NotFound, match="There is no adapter to continue from in"):
        read_start(job(tmp_path / "nowhere"))
    found = read_start(job(champion))
    assert found is not None
    broken = {name: value[:, :1] for name, value in found.weights.items()}
    with pytest.raises(TrainingError, match="does not fit this base"):
        Learner(load_base(base, torch.device("cpu")), rank=4, alpha=8, seed=0, start=broken)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    (kept / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="cannot be read"):
        read_start(job(kept))


# -- curves --


def _records(path: Path) -> Iterator[bytes]:
    """The records of an event file, their lengths as written; checksums are compared with a second implementation."""
    body, at = path.read_bytes(), 0
    while at < len(body):
        (length,) = struct.unpack_from("<Q", body, at)
        for start, size in ((at, 8), (at + 12, length)):
            (given,) = struct.unpack_from("<I", body, start + size)
            assert given == _masked_crc(body[start : start + size])
        yield body[at + 12 : at + 12 + length]
        at += 16 + length


def _masked_crc(body: bytes) -> int:
    """CRC-32C by long division, a bit at a time, then rotated by 15 and shifted as TFRecord has it."""
    rest = 0xFFFFFFFF
    for byte in body:
        rest ^= byte
        for _ in range(8):
            rest = (rest >> 1) ^ (0x82F63B78 if rest & 1 else 0)
    rest ^= 0xFFFFFFFF
    return (((rest >> 15) | (rest << 17 & 0xFFFFFFFF)) + 0xA282EAD8) & 0xFFFFFFFF


def test_checksum_is_crc_32c() -> None:
    rotated = _masked_crc(b"123456789") - 0xA282EAD8 & 0xFFFFFFFF
    assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == 0xE3069283  # the check value that the standard gives


def test_curves_are_an_event_file_of_scalars(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "tensorboard")
    curves.take({"event": "stage", "stage": "training"})
    assert not (tmp_path / "tensorboard").exists()
    curves.take({"event": "step", "step": 300, "loss": 1.5, "lr": 2e-3, "grad_norm": 0.25, "parts": {"pair": 0.75}})
    curves.take({"event": "tune", "step": 300, "loss": 2.5, "nll": 1.25, "preferred": None})
    curves.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    version, step, tune = _records(path)
    assert version[9:] == b"\x1a\x0dbrain.Event:2"
    assert step[9:12] == b"\x10\xac\x02"  # field 2: 300
    for name, value in (("train/loss", 1.5), ("train/learning_rate", 2e-3), ("parts/pair", 0.75)):
        assert bytes([10, len(name)]) + name.encode() + b"\x15" + struct.pack("<f", value) in step
    assert b"tune/nats_a_token\x15" + struct.pack("<f", 1.25) in tune
    assert b"preferred" not in tune
