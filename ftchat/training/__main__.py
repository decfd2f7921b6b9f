"""The trainer's process: python -m ftchat.training JOB.json

Exit status 0 means that the adapter is there. Anything else leaves no adapter, and an `error` event whose message is a
sentence for the user. SIGTERM, and SIGINT where no app started it: finish with the best so far. It dies with the
process that started it.
"""

import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from ftchat.errors import BadInput, Conflict, FtchatError, NotFound
from ftchat.training import guards
from ftchat.training.job import Job, MetricsLog, json_object, read_json
from ftchat.training.parent import die_with_parent, leave_the_terminal_to_the_app, let_others_go_first
from ftchat.training.snapshot import read_snapshot

_NO_MEMORY = "There was not enough memory for training. Close other programs, or lower batch_tokens or rank."


def main(arguments: list[str], stop: threading.Event) -> int:
    """Run the job until it is done or `stop` is set; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    path = Path(arguments[0])
    try:
        _train(Job.read(path), stop)
    except FtchatError as err:
        return _fail(path, err.message)
    except Exception as err:  # noqa: BLE001  # the last line of defence: a run must never end without a word
        traceback.print_exc()
        return _fail(path, _words(err))
    return 0


def _words(err: Exception) -> str:
    """What broke, for whoever presses Retrain."""
    if guards.starved(err):
        return _NO_MEMORY
    if isinstance(err, OSError):
        return f"The trainer could not read or write its files ({err}). Make room on the disk and press Retrain again."
    return f"The trainer broke ({type(err).__name__}: {err})."


def _train(job: Job, stop: threading.Event) -> None:
    """Check what is cheap to check, then import what is slow to import."""
    try:
        there = job.out.exists()
        job.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise BadInput(f"The adapter cannot be written to the job's out: {err}.") from err
    if there:
        raise Conflict(f"There is already something at {job.out}: a finished adapter is never written over.")
    if not (job.base / "config.json").is_file():
        raise NotFound(f"There is no model in {job.base}: its config.json is missing.")
    json_object(read_json(job.base / "config.json", "The model's config.json"), "The model's config.json")
    snapshot = read_snapshot(job.snapshot)
    # Threads that wait must sleep: beside another busy process, threads that spin made a step four times slower (two
    # cores, 6 million parameters). torch reads it when it is imported.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    log = MetricsLog(job.metrics)
    try:
        log.write("stage", stage="importing")
        from ftchat.training.run import run

        run(job, snapshot, log=log, stop=stop)
    finally:
        log.close()


def _fail(path: Path, message: str) -> int:
    """Say why, in the metrics and to whoever reads the log."""
    sys.stderr.write(f"{message}\n")
    try:
        log = MetricsLog(_metrics_of(path))
        log.write("error", message=message)
        log.close()
    except (OSError, ValueError) as err:
        sys.stderr.write(f"The metrics could not be written: {err}\n")
    return 1


def _metrics_of(path: Path) -> Path:
    """Where the job wants its metrics; beside the job file where it does not say so in a way that can be used."""
    try:
        job = read_json(path, "The job file")
    except FtchatError:
        job = None
    given = job.get("metrics") if isinstance(job, dict) else None
    usable = isinstance(given, str) and given and "\x00" not in given
    return Path(str(given)) if usable else path.parent / "metrics.jsonl"


if __name__ == "__main__":
    die_with_parent()
    let_others_go_first()
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    leave_the_terminal_to_the_app()
    status = main(sys.argv[1:], asked)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # all is written, and somebody waits: to take the libraries down takes a second and more
