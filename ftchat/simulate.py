"""A team that teaches one rule, as a program: asks, corrects, votes, rates, retrains, and asks what was never taught.

Everything goes through the app's own API, as a team's browser would; a scenario says what is asked and judges it. It
does not know stores, engines or files, nor whose app it is. Run: `ftchat simulate`, `ftchat simulate --help`.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from ftchat.errors import BadInput, FtchatError
from ftchat.records import BASE, CHAMPION, ENDED
from ftchat.scenarios import Asked, Scenario

_AT_ONCE = 8  # answers that are asked for together when something is measured
_LOOK_S = 0.5
_COMPARED = 4  # every so many questions are compared blind, the others asked of the champion
_Z = 1.96  # of a 95% interval


class Refused(FtchatError):
    """The app said no; the sentence is its own."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """How long the team works, and how hard."""

    rounds: int = 4
    feedback: int = 15  # pieces a round: corrections, votes and thumbs
    effort: str = "normal"
    votes: int = 60  # blind votes at most, where a verdict asks for them
    seed: int = 0
    goal: float = 0.9  # share of never-taught answers that keep the rule at the end, for it to be learned
    args: Mapping[str, Any] = field(default_factory=dict)  # of each run, beside the effort

    def __post_init__(self) -> None:
        """Refuse a team that does nothing."""
        for key, low, high in (("rounds", 1, 100), ("feedback", 1, 1000), ("votes", 0, 1000), ("goal", 0, 1)):
            if not low <= getattr(self, key) <= high:
                raise BadInput(f"{key} is {getattr(self, key)}: it must be between {low} and {high}.")


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of so many answers keep the rule, with the 95% interval of what that may mean for others."""

    kept: int
    asked: int

    @property
    def share(self) -> float:
        """The share itself."""
        return self.kept / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, which stays within 0 and 1 and is never empty."""
        if not self.asked:
            return 0.0, 1.0
        n, p = self.asked, self.share
        middle, wide = p + _Z**2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        return max(0.0, (middle - wide) / (1 + _Z**2 / n)), min(1.0, (middle + wide) / (1 + _Z**2 / n))

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        low, high = self.interval
        return {**asdict(self), "share": round(self.share, 4), "low": round(low, 4), "high": round(high, 4)}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:4.0%} ({low:.0%} to {high:.0%})"


@dataclass(kw_only=True)
class Round:
    """One round of the team's work, and what the contestants say to what was never taught."""

    number: int
    feedback: Counter[str] = field(default_factory=Counter)
    run: str = ""
    stage: str = ""
    verdict: str | None = None
    reasons: list[str] = field(default_factory=list)
    adapter: str | None = None
    votes: Counter[str] = field(default_factory=Counter)
    outcome: str = ""  # what became of the adapter: champion, challenger, retired, rejected, broken
    champion: str = BASE
    newest: str = BASE  # the newest adapter that can answer, whatever its exam or votes said
    adherence: dict[str, Share] = field(default_factory=dict)
    retention: Share = field(default_factory=lambda: Share(kept=0, asked=0))  # what the newest keeps of the rest
    run_s: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)  # of the run, as it was looked at
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        plain = {key: value for key, value in vars(self).items() if key not in ("adherence", "retention")}
        shares = {who: share.facts() for who, share in self.adherence.items()}
        return {
            **plain,
            "feedback": dict(self.feedback),
            "votes": dict(self.votes),
            "adherence": shares,
            "retention": self.retention.facts(),
            "run_s": round(self.run_s, 1),
            "stages_s": {stage: round(took, 1) for stage, took in self.stages_s.items()},
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, kw_only=True)
class Played:
    """All rounds of one scenario."""

    scenario: str
    about: str
    orders: Orders
    rounds: tuple[Round, ...]

    @property
    def newest(self) -> float:
        """Adherence of the newest adapter that can answer, at the end."""
        return self.rounds[-1].adherence["newest"].share

    @property
    def worse(self) -> list[str]:
        """Champions that keep the rule less often than the one before them, beyond their interval."""
        found, before = [], self.rounds[0].adherence["base"]
        for one in self.rounds:
            now = one.adherence["champion"]
            if now.interval[1] < before.share:
                found.append(one.champion)
            before = now
        return found

    @property
    def problems(self) -> list[str]:
        """What keeps it from being a success, in sentences: a run that failed, a worse champion, a rule not learned."""
        failed = [one for one in self.rounds if one.stage not in ("done", "rejected")]
        found = [
            f"The run of round {one.number} ended as {one.stage}. {' '.join(one.reasons)}".strip() for one in failed
        ]
        found += [f"{name} keeps the rule less often than the champion before it." for name in self.worse]
        end = self.rounds[-1]
        if end.newest == BASE:
            return [*found, "No adapter was made that can answer."]
        if self.newest < self.orders.goal:
            share = f"{end.adherence['newest']}".strip()
            found.append(f"{end.newest} keeps the rule in {share} of the answers; the goal is {self.orders.goal:.0%}.")
        return found

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "scenario": self.scenario,
            "about": self.about,
            **asdict(self.orders),
            "ok": not self.problems,
            "problems": self.problems,
            "newest": round(self.newest, 4),
            "champions_worse": self.worse,
            "curve": [one.facts() for one in self.rounds],
        }

    def words(self) -> str:
        """The learning curve for people."""
        head = f"{self.scenario}: {self.about}\nAnswers to questions that were never taught, and that keep the rule:\n"
        lines = [f"{'round':>5}  {'base':20} {'champion':34} {'newest':34} {'the rest, newest':20} verdict"]
        for one in self.rounds:
            champion, newest = (f"{one.adherence[who]} {name}" for who, name in _roles(one))
            cells = f"{one.adherence['base']!s:20} {champion:34} {newest:34} {one.retention!s:20}"
            lines.append(f"{one.number:>5}  {cells} {_fate(one)}")
        end = self.problems or ["It was learned."]
        return head + "\n".join(line.rstrip() for line in [*lines, *end])


def _roles(one: Round) -> tuple[tuple[str, str], ...]:
    return (("champion", one.champion), ("newest", one.newest))


def _fate(one: Round) -> str:
    votes = f" after {sum(one.votes.values())} votes" if one.votes else ""
    return (
        f"{one.verdict or one.stage}, {one.adapter or 'no adapter'}{f' is {one.outcome}' if one.outcome else ''}{votes}"
    )


class Team:
    """The people of one simulated house, before one app."""

    def __init__(
        self, client: httpx.AsyncClient, scenario: Scenario, *, orders: Orders, tell: Callable[[str], None]
    ) -> None:
        """`client` comes in as an admin; `tell` hears what is going on."""
        self._client, self._scenario, self._orders, self._tell = client, scenario, orders, tell
        self._chance = random.Random(orders.seed)
        self._questions = self._shuffled(scenario.teach)
        self._spare = self._shuffled(scenario.spare)
        self._asked = 0
        self._measured: dict[str, Share] = {}
        self._plain: list[str] = []

    async def play(self) -> Played:
        """All rounds."""
        self._tell(f"{self._scenario.name}: {self._scenario.about}")
        self._plain = await self._say(BASE, self._scenario.retention)
        rounds = [await self._round(number) for number in range(1, self._orders.rounds + 1)]
        return Played(
            scenario=self._scenario.name, about=self._scenario.about, orders=self._orders, rounds=tuple(rounds)
        )

    def _shuffled(self, asked: Sequence[Asked]) -> Iterator[Asked]:
        return iter(self._chance.sample(asked, len(asked)))

    async def _round(self, number: int) -> Round:
        one, began = Round(number=number), time.monotonic()
        while sum(one.feedback.values()) < self._orders.feedback and (asked := next(self._questions, None)):
            self._asked += 1
            one.feedback += await (self._compare(asked) if self._asked % _COMPARED == 0 else self._chat(asked))
        given = ", ".join(f"{n} {kind}" for kind, n in sorted(one.feedback.items())) or "no feedback: all was asked"
        self._tell(f"round {number}: {given}")
        await self._retrain(one)
        if one.adapter and one.outcome == "challenger":
            await self._vote_on(one)
        await self._measure(one)
        one.seconds = time.monotonic() - began
        self._tell(f"round {number}: {one.adherence['newest']} of never-taught questions; {_fate(one)}")
        return one

    # -- what people do --

    async def _chat(self, asked: Asked) -> Counter[str]:
        """Ask the champion; say thanks, or say what it should have said."""
        turn = await self._post("/api/turns", prompt=asked.prompt, mode="chat", contestants=[CHAMPION])
        return await self._react(asked, _lane(turn, 0))

    async def _compare(self, asked: Asked) -> Counter[str]:
        """Compare two blind; where both are bad, say what it should have been."""
        turn = await self._post("/api/turns", prompt=asked.prompt, mode="compare", blind=True)
        left, right = _lane(turn, 0), _lane(turn, 1)
        winner = self._scenario.preferred(asked, left["text"], right["text"])
        await self._post("/api/votes", turn=turn["turn"], winner=winner)
        given = Counter(votes=1)
        return given + await self._react(asked, left) if winner == "both_bad" else given

    async def _react(self, asked: Asked, lane: dict[str, Any]) -> Counter[str]:
        if self._scenario.is_kept(asked, lane["text"]):
            await self._post("/api/ratings", reply=lane["reply"], value="up")
            return Counter(ratings=1)
        await self._post("/api/corrections", reply=lane["reply"], text=self._scenario.corrected(asked, lane["text"]))
        return Counter(corrections=1)

    async def _retrain(self, one: Round) -> None:
        began = looked = time.monotonic()
        run = await self._post("/api/runs", effort=self._orders.effort, args=dict(self._orders.args))
        while (stage := run["stage"]) not in ENDED:
            if stage not in one.stages_s:
                self._tell(f"round {one.number}: {stage}")
            await asyncio.sleep(_LOOK_S)
            run = await self._get(f"/api/runs/{run['id']}")
            one.stages_s[stage] = one.stages_s.get(stage, 0.0) + time.monotonic() - looked
            looked = time.monotonic()
        one.run, one.stage, one.verdict, one.adapter = run["id"], run["stage"], run["verdict"], run["adapter"]
        one.reasons, one.run_s = run["reasons"], time.monotonic() - began
        if one.adapter:
            one.outcome = (await self._get(f"/api/adapters/{one.adapter}"))["state"]

    async def _vote_on(self, one: Round) -> None:
        """Blind votes between a challenger and the champion, on questions that nobody was taught, until they decide."""
        assert one.adapter is not None
        against = (await self._get("/api/adapters"))["champion"]
        while sum(one.votes.values()) < self._orders.votes and (asked := next(self._spare, None)):
            pair = self._chance.sample([one.adapter, against], 2)
            turn = await self._post("/api/turns", prompt=asked.prompt, mode="compare", blind=True, contestants=pair)
            winner = self._scenario.preferred(asked, _lane(turn, 0)["text"], _lane(turn, 1)["text"])
            vote = await self._post("/api/votes", turn=turn["turn"], winner=winner)
            one.votes[vote["contestants"].get(winner, winner)] += 1
            one.outcome = (await self._get(f"/api/adapters/{one.adapter}"))["state"]
            if one.outcome != "challenger":
                return

    # -- what is measured --

    async def _measure(self, one: Round) -> None:
        """Base, champion and the newest adapter that can answer, greedily, on what was never taught."""
        listed = await self._get("/api/adapters")
        one.champion = listed["champion"]
        one.newest = next((item["name"] for item in listed["items"] if item["state"] != "broken"), BASE)
        for role, name in (("base", BASE), *_roles(one)):
            if name not in self._measured:
                texts = await self._say(name, [asked.prompt for asked in self._scenario.held_out])
                kept = map(self._scenario.is_kept, self._scenario.held_out, texts)
                self._measured[name] = Share(kept=sum(kept), asked=len(texts))
            one.adherence[role] = self._measured[name]
        now = await self._say(one.newest, self._scenario.retention)
        one.retention = Share(kept=sum(a == b for a, b in zip(now, self._plain, strict=True)), asked=len(now))

    async def _say(self, model: str, prompts: Sequence[str]) -> list[str]:
        """Greedy answers that leave no trace."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(prompt: str) -> str:
            body = {"model": model, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
            async with limit:
                said = await called(self._client, "POST", "/v1/chat/completions", body, {"x-ftchat-record": "no"})
            return str(said["choices"][0]["message"]["content"])

        return list(await asyncio.gather(*map(one, prompts)))

    # -- the API --

    async def _get(self, path: str) -> dict[str, Any]:
        return await called(self._client, "GET", path)

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return await called(self._client, "POST", path, body)


async def called(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """What the app answers; what it refuses, or does not answer, is raised in words."""
    try:
        answer = await client.request(method, path, json=body, headers=headers)
        given: dict[str, Any] = answer.json()
        refused = str(given["error"]["message"]) if answer.is_error else ""
    except (httpx.TransportError, ValueError, LookupError, TypeError) as err:
        raise Refused(f"{method} {path}: the app gave no answer ({type(err).__name__}). Look into its log.") from err
    if answer.is_error:
        raise Refused(f"{method} {path}: {refused}")
    return given


def _lane(turn: dict[str, Any], number: int) -> dict[str, Any]:
    """A lane of a turn that has ended well."""
    lane: dict[str, Any] = turn["lanes"][number]
    if lane["finish"] == "error":
        raise Refused(f"An answer failed: {lane.get('error', 'without a reason')}")
    return lane
