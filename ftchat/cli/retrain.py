"""ftchat retrain: press Retrain and wait for what comes of it. Run: `ftchat retrain`, `ftchat retrain --effort quick`.

Exit status 0: an adapter was made, and the exam let it pass or leaves the decision to you; 4: the exam rejected it;
1: the run failed, was stopped, or could not begin.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from ftchat.cli.files import NeedsApp
from ftchat.cli.home import Home, Refused, command, say, settings_of
from ftchat.config import EFFORTS
from ftchat.errors import HomeInUse, SetupError
from ftchat.records import ENDED

_LOOK_S = 1.0
_STATUS = {"done": 0, "rejected": 4}


def main(argv: Sequence[str]) -> None:
    """Press, follow, and end as the run did."""
    parser = command("retrain", "Train a new adapter from the approved feedback, examine it, and say what came of it.")
    parser.add_argument("--effort", choices=EFFORTS, default="normal", help="how long to try (default: normal)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a training argument, such as steps=100; all of them are in ftchat/web/API.md, under Runs",
    )
    parser.add_argument(
        "--again", metavar="RUN", help="that run once more, on its very snapshot: its losses should be the same"
    )
    parser.add_argument("--detach", action="store_true", help="do not wait; the run's id is printed")
    args = parser.parse_args(argv)
    if args.again and (args.set or args.effort != "normal"):
        raise SetupError("--again takes the arguments of that run: leave out --effort and --set.")
    home = Home(settings_of(args))
    home.needs_app()
    body = {"effort": args.effort, "args": dict(_given(pair) for pair in args.set)}
    run = home.call("POST", f"/api/runs/{args.again}/again", {}) if args.again else home.call("POST", "/api/runs", body)
    if args.detach:
        say(args, run, run["id"])
        return
    run = _follow(home, run)
    say(args, run, _words(run))
    sys.exit(_STATUS.get(run["stage"], 1))


def _given(pair: str) -> tuple[str, Any]:
    key, found, value = pair.partition("=")
    if not found:
        raise SetupError(f"--set {pair} has no '=': give KEY=VALUE, such as steps=100.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _follow(home: Home, run: dict[str, Any]) -> dict[str, Any]:
    """The run once it has ended; its progress goes to standard error meanwhile."""
    said = ""
    try:
        while run["stage"] not in ENDED:
            line = _progress(run)
            if line != said:
                said = line
                print(line, file=sys.stderr, flush=True)
            time.sleep(_LOOK_S)
            run = _now(home, run)
    except KeyboardInterrupt:
        print(f"ftchat: run {run['id']} goes on without us; the Train page shows and stops it.", file=sys.stderr)
        raise
    return run


def _now(home: Home, run: dict[str, Any]) -> dict[str, Any]:
    """The run as it stands; as it stood where the app gives no answer just now."""
    try:
        home.needs_app()
        return home.call("GET", f"/api/runs/{run['id']}")
    except NeedsApp as err:
        raise Refused(f"ftchat has ended. Run {run['id']} goes on when it is started again on this home.") from err
    except HomeInUse:
        return run


def _progress(run: dict[str, Any]) -> str:
    steps = run["metrics"]["steps"]
    where = f" step {run['metrics']['step']} of {steps}" if run["stage"] == "train" and steps else ""
    left = f", about {run['eta_s']:.0f} s left" if run["eta_s"] else ""
    return f"{run['progress']:4.0%} {run['stage']}{where}{left}"


def _words(run: dict[str, Any]) -> str:
    made = f"{run['adapter']}: {run['verdict']}" if run["verdict"] else f"{run['stage']}"
    return "\n".join([made, *run["reasons"]])
