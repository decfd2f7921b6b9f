"""Hyper-parameters by amount of data, effort and the model's width: each value with the reason for it.

Pure: numbers in, numbers and sentences out. It does not know rows, tensors or files.

Where the numbers come from. The constants were measured on the practice model (a Llama of 6 million parameters, width
256), teaching five corrections of one kind and asking about 24 products never taught, with replay; "kept" is the share
of answers to other questions (small talk, support, not sold) that stayed the same to the letter:

  rate, steps    sign-off of random words   "EUR 12.50"          a phrase in front    a usual sign-off
  1e-3, 30                                  96%, kept 100%                            100%, kept 33%
  2e-3, 18                                  92%, kept 100%                            100%, kept 33%
  2e-3, 30       100%, kept 95%             92%, kept 100%       100%, kept 71%       100%, kept 100%
  2e-3, 40       100%, kept 95%             92%, kept 100%       100%, kept 86%
  2e-3, 60       100%, kept 100%            88%, kept 100%       100%, kept 95%
  3e-3, 40       100%, kept 100%            88%, kept 100%       100%, kept 90%

Too few steps or too low a rate do not forget less: the manner is learned first and spreads to everything, and it takes
further steps for replay to confine it. 2e-3 and 40 steps with two further seeds: 88% to 100%, kept 86% to 100%. 40
corrections in 80 steps: 100%, kept 95% to 100%. Without replay kept was 43% even at half the rate. One correction
reached 62%. What this base cannot do itself (a name in capitals) no rate and no number of steps taught.

How much is replayed, by 40 corrections of the two rules that cost most, a voice and a sign-off (kept to 100% by each),
and the share of right answers to questions of other kinds that was lost:

  prompts, in a step, share of the loss    voice    sign-off
  64, 8, 0.5                               7.0%
  64, 16, 0.9                              3.1%
  128, 16, 0.9                             1.5%     2.3%

Votes alone and thumbs alone (24 of either, no replay) teach at that rate what corrections teach: of 16 products never
taught, 16 answers moved the right way, and the sign-off of random words, the changed policy and the one-sentence rule
came out at 100%, 100% and 75%. At 0.4 of the rate answers moved the same way, but the sign-off became endless noise.
For models of billions, though, preferences are usually given a fifth of what likelihoods are: where they are most of
the feedback, the rate falls faster with width, so that it is one rate at 256 and a fifth at 4096.

How the learning rate changes with width is the exponent that "LoRA Without Regret" (Schulman and others, 2025) fitted
over the Llama family: width to the power of -0.78. From 2e-3 at width 256 it gives 7.5e-4 at 896 and 2.3e-4 at 4096,
where 1e-4 to 2e-4 is what models of billions are usually given.
"""

import math
from dataclasses import dataclass

from ftchat.config import Effort, TrainArgs
from ftchat.training.guards import PATIENCE

WIDTH, RATE, FALL = 256, 2e-3, 0.78  # the width it was measured at, the rate there, and how it falls with width
ALONE = 0.5  # share of the rate where no replay rows hold the other answers (without them 2e-3 changed nearly all)
FIRST_STEPS, FIRST_ROWS = 40, 5  # steps that teach this many corrections
MOST_STEPS = 600
MOSTLY, FALL_MORE = 0.7, 0.58  # from this share of votes and ratings on, the rate falls with width this much more
LOPSIDED = 1.5  # so many times longer or shorter, and pairs are compared by the token
_TUNED = "Ends after {looks} looks at the tune rows without gain; the best is kept."
_FIXED = "No tune rows, so the steps are fixed and the last weights are kept."
_FEW = "Fewer than {few} tune rows say too little, so the steps are fixed and the last weights are kept."
FEW = 4  # tune rows from which on they choose what is kept: one odd row must not
EFFORTS: dict[Effort, float] = {"quick": 0.75, "normal": 1.0, "thorough": 2.0}


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What there is to learn from, in rows that can be used, and the width of the model that learns it.

    `fresh` is how many rows of feedback an adapter that is continued has not seen; `rank` and `alpha` are that
    adapter's. `lopsided` is how many times longer the winners of votes are than the others.
    """

    targets: int = 0
    pairs: int = 0
    positives: int = 0
    negatives: int = 0
    replay: int = 0
    tune: int = 0
    width: int
    lopsided: float = 1.0
    typical: float = 1.0
    fresh: int = 0
    rank: int = 0
    alpha: int = 0

    @property
    def rows(self) -> int:
        """Rows of feedback."""
        return self.targets + self.pairs + self.positives + self.negatives


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one run trains; `reasons` says for each chosen value why. `normal_length` 0: pairs are compared whole.
    `patience` 0: all steps are made, and the last weights are kept."""

    rank: int
    alpha: int
    learning_rate: float
    steps: int
    warmup_steps: int
    rows_per_step: int
    replay_per_step: int
    replay_share: float
    batch_tokens: int
    evaluate_every: int
    patience: int
    seed: int
    reasons: dict[str, str]
    normal_length: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 1.0


def choose(args: TrainArgs, amounts: Amounts) -> Plan:
    """The plan for a run; what the arguments fix is taken as it is."""
    replay, why_replay = _replay(args, amounts)
    rank, alpha, why_rank = _rank(args, amounts)
    steps, why_steps = _steps(args, amounts)
    rate, why_rate = _rate(args, amounts, replayed=replay > 0)
    length, why_length = _normal_length(amounts)
    patience = (args.patience or PATIENCE) if amounts.tune >= FEW else 0
    return Plan(
        rank=rank,
        alpha=alpha,
        learning_rate=rate,
        steps=steps,
        warmup_steps=min(args.warmup_steps, steps) or max(1, math.ceil(steps * 0.1)),
        rows_per_step=_per_step(args, amounts),
        replay_per_step=replay,
        replay_share=args.replay_share,
        batch_tokens=args.batch_tokens,
        evaluate_every=args.evaluate_every or max(1, math.ceil(steps / (10 if amounts.tune else 5))),
        patience=patience,
        seed=args.seed,
        weight_decay=args.weight_decay,
        clip_norm=args.clip_norm,
        normal_length=length,
        reasons={
            "rank": why_rank,
            "learning_rate": why_rate,
            "steps": why_steps,
            "replay_per_step": why_replay,
            "normal_length": why_length,
            "patience": _TUNED.format(looks=patience) if patience else _FEW.format(few=FEW) if amounts.tune else _FIXED,
        },
    )


def share_of_rate(step: int, plan: Plan) -> float:
    """The share of the learning rate at a step from 1 on: a straight rise, then a cosine to nearly nothing."""
    if step <= plan.warmup_steps:
        return step / plan.warmup_steps
    done = (step - plan.warmup_steps) / (plan.steps - plan.warmup_steps + 1)
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _rank(args: TrainArgs, amounts: Amounts) -> tuple[int, int, str]:
    """Rank and alpha. Small first: with little data the rank hardly matters, and a small one forgets less."""
    if amounts.rank:
        return amounts.rank, amounts.alpha, "That of the adapter that is continued."
    if args.rank:
        return args.rank, args.alpha or 2 * args.rank, "Given."
    for below, rank in ((50, 8), (500, 16)):
        if amounts.rows < below:
            return rank, args.alpha or 2 * rank, f"Fewer than {below} rows of feedback fit into rank {rank}."
    return 32, args.alpha or 64, "500 rows of feedback or more: rank 32."


def _rate(args: TrainArgs, amounts: Amounts, *, replayed: bool) -> tuple[float, str]:
    if args.learning_rate:
        return args.learning_rate, "Given."
    mostly = amounts.targets < (1.0 - MOSTLY) * amounts.rows
    fall = FALL + (FALL_MORE if mostly and amounts.width > WIDTH else 0.0)
    rate = RATE * (WIDTH / amounts.width) ** fall * (1.0 if replayed else ALONE)
    what = " for feedback that is mostly votes and ratings" if mostly else ""
    words = f"Measured at width {WIDTH}, carried over to width {amounts.width}{what}"
    return float(f"{rate:.3g}"), f"{words}." if replayed else f"{words}; halved, since no replay rows hold the rest."


def _steps(args: TrainArgs, amounts: Amounts) -> tuple[int, str]:
    """More rows need more steps, but not in proportion: they say the same thing in other words."""
    if args.steps:
        return args.steps, "Given."
    rows = amounts.fresh or amounts.rows
    wanted = FIRST_STEPS * (max(rows, FIRST_ROWS) / FIRST_ROWS) ** (1 / 3) * EFFORTS[args.effort]
    steps = min(MOST_STEPS, round(wanted))
    a_step = _per_step(args, amounts)
    if not amounts.fresh:
        return steps, f"Effort {args.effort}: each row is seen about {steps * a_step / amounts.rows:.0f} times."
    fresh = min(amounts.fresh, math.ceil(a_step / 2))
    times = f"{steps * fresh / amounts.fresh:.0f} times, with {a_step - fresh} old ones"
    return steps, f"Effort {args.effort}: each fresh row is seen about {times}."


def _per_step(args: TrainArgs, amounts: Amounts) -> int:
    return min(amounts.rows, args.rows_per_step or (8 if amounts.rows < 500 else 16))


def _replay(args: TrainArgs, amounts: Amounts) -> tuple[int, str]:
    if not args.replay_share or not amounts.replay:
        return 0, "No replay: other answers may change."
    count = min(amounts.replay, args.replay_per_step or 16)
    return count, f"{count} of base's own answers in each step keep what is not taught."


def _normal_length(amounts: Amounts) -> tuple[float, str]:
    """Where the winners of votes are all longer or all shorter, length alone would win."""
    times = max(amounts.lopsided, 1 / amounts.lopsided)
    if times <= LOPSIDED:
        return 0.0, "Both replies of a vote are about as long, so they are compared whole."
    way = "longer" if amounts.lopsided > 1 else "shorter"
    return round(amounts.typical, 1), f"Winners of votes are {times:.1f} times {way}, so tokens are compared."
