"""ftchat simulate: a team that teaches a rule, as a program, and the learning curve that comes of it.

Exit status 0: every run ended with an adapter or a verdict, no champion was worse than the one before it, and at the
end the newest adapter keeps the rule as often as `--goal` says. Else 1, with what was wrong.

Run: `ftchat simulate`, `ftchat simulate voice --rounds 2`, `ftchat simulate my.toml`, `ftchat simulate --help`.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ftchat.cli.home import client_of, command, say
from ftchat.cli.own_app import OTHERS, from_hub, own_app
from ftchat.config import EFFORTS, add_flags, load_settings
from ftchat.errors import HomeInUse, SetupError
from ftchat.lease import Announced, announced, holder
from ftchat.scenarios import Scenario, read_scenario, shipped_scenarios
from ftchat.simulate import Orders, Played, Team

_PATIENCE_S = 300.0


def main(argv: Sequence[str]) -> None:
    """Play, and print the curve."""
    args = _parser().parse_args(argv)
    orders = Orders(**{key: getattr(args, key) for key in ("rounds", "feedback", "effort", "votes", "seed", "goal")})
    scenarios = [_scenario(name) for name in (_shipped() if args.all else args.scenario or ["sign-off"])]
    if args.home and len(scenarios) > 1:
        raise SetupError("Several scenarios need a home each: leave out --home, or name one scenario.")
    played: list[Played] = []
    try:
        for scenario in scenarios:
            with _app(args) as at:
                played.append(play(at, scenario, orders))
    finally:  # an error in a later one takes no curve with it
        whole = len(played) == len(scenarios)
        ok = whole and not any(one.problems for one in played)
        facts = {"ok": ok, "played": [one.facts() for one in played]}
        if played:
            say(args, facts, "\n\n".join(one.words() for one in played))
    raise SystemExit(0 if ok else 1)


def play(at: Announced, scenario: Scenario, orders: Orders) -> Played:
    """One scenario before one app."""

    async def whole() -> Played:
        async with client_of(at, patience_s=_PATIENCE_S) as client:
            return await Team(client, scenario, orders=orders, tell=tell).play()

    return asyncio.run(whole())


def tell(line: str) -> None:
    """What goes on, beside what is printed in the end."""
    print(line, file=sys.stderr, flush=True)


def settings_flags(args: argparse.Namespace) -> list[str]:
    """The settings that were given, as flags of `ftchat serve`."""
    named = argparse.ArgumentParser()
    add_flags(named, leaving_out=OTHERS)
    found = []
    for action in named._actions:
        value = getattr(args, action.dest, None)
        if action.dest != "help" and value is not None:
            flag = action.option_strings[0] if value is not False else action.option_strings[-1]
            found += [flag] if isinstance(value, bool) else [flag, str(value)]
    return found


@contextmanager
def _app(args: argparse.Namespace) -> Iterator[Announced]:
    """The app of the home that was named; without one an app of our own."""
    if args.home is not None:
        lease = load_settings({"home": args.home}).home / "data" / "lease"
        if held_by := holder(lease):
            found = announced(lease)
            if found is None:
                raise HomeInUse(f"{args.home} is held by {held_by}, which does not listen yet. Try again in a moment.")
            yield found
            return
    if args.home is not None:
        tell(f"No ftchat runs on {args.home}: this is played in a home that is thrown away.")
    with own_app([*settings_flags(args), *from_hub(args.model, tell, home=args.home)], tell=tell) as own:
        yield own.at


def _parser() -> argparse.ArgumentParser:
    made = command(
        "simulate",
        "A team that teaches a rule, as a program. With --home of a running app it works there, and what it says stays "
        "there; otherwise it starts an app of its own, in a home that is thrown away. Exit status 0: no run failed, no "
        "champion keeps the rule less often than the one before it, and in the end the newest adapter keeps it as "
        "often as --goal says, whatever its verdict; else 1, and what was wrong is said below the curve.",
    )
    made.add_argument("scenario", nargs="*", help=f"{', '.join(_shipped())}, or a TOML file (default: sign-off)")
    made.add_argument("--all", action="store_true", help="every scenario that ftchat ships, one after the other")
    made.add_argument("--rounds", type=int, default=4, help="presses of Retrain (default: 4)")
    made.add_argument("--feedback", type=int, default=15, help="pieces of feedback a round (default: 15)")
    made.add_argument("--effort", choices=EFFORTS, default="normal", help="of each run (default: normal)")
    made.add_argument(
        "--votes", type=int, default=60, help="blind votes at most where a verdict asks for them (default: 60)"
    )
    made.add_argument(
        "--goal", type=float, default=0.9, help="share of never-taught answers that must keep the rule (default: 0.9)"
    )
    made.add_argument("--seed", type=int, default=0, help="of the order of questions, and of sides (default: 0)")
    add_flags(made.add_argument_group("settings of the app of its own"), leaving_out=OTHERS)  # type: ignore[arg-type]
    return made


def _shipped() -> list[str]:
    return [path.stem for path in shipped_scenarios()]


def _scenario(name: str) -> Scenario:
    """A shipped scenario by name, or a file."""
    by_name = {path.stem: path for path in shipped_scenarios()}
    if name not in by_name and not Path(name).is_file():
        raise SetupError(f"There is no scenario called {name!r}. There are {', '.join(by_name)}; or name a TOML file.")
    return read_scenario(by_name.get(name) or Path(name))
