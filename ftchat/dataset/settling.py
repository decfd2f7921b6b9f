"""The rules over all rows, in this order. Pure; rows come oldest first.

1. Corrections of the same messages: the newest stands. What an older one said otherwise is *replaced* when it is by the
   same person, *contradicted* when it is by another; what said the same is a *duplicate*.
2. Votes on the same two texts after the same messages: of each person the newest counts, then the majority stands.
   The minority is *contradicted*; where it is even, people are *divided* and nothing stands.
3. Thumbs, and replies of a both_bad vote, on the same text after the same messages: as votes.
4. A thumb up on a reply that somebody corrected is dropped, so is a vote for it, and so is a thumb down on, or a vote
   against, what it was corrected to: a correction says more than a click. Somebody who votes for the better of two and
   then corrects it does not want more like it.
5. Of rows that say the same, the oldest stands, so that a repetition changes no snapshot.
6. Negatives together weigh no more than what is wanted: alone they only say what not to write.
7. Once five people have rows that train, nobody has more than a fifth of their weight: who has more counts for less
   a row. One person alone, or four, are never held back. Where somebody so held back is nearly the only one who says
   what is wanted, rule 6 goes first.

Texts are compared after NFC and without spaces at their ends; messages also without runs of spaces.
"""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ftchat.dataset.candidates import Dropped, Why
from ftchat.records import Message, Row

ENOUGH_PEOPLE = 5
MOST = 1 / ENOUGH_PEOPLE  # of the weight of all training rows, by one person
Settled = tuple[list[Row], list[Dropped]]


def settled(rows: Sequence[Row]) -> Settled:
    """The rows that stand, of weight 1, and the others with the rule that dropped them."""
    said = _Said(rows)
    dropped: list[Dropped] = []
    standing: list[Row] = []
    by_rule: tuple[tuple[tuple[str, ...], Callable[[Sequence[Row], _Said], Settled]], ...] = (
        (("target",), _newest),
        (("pair",), _majority),
        (("positive", "negative"), _majority),
        (("tie",), _once),
    )
    for roles, rule in by_rule:
        kept, lost = rule([row for row in rows if row.role in roles], said)
        standing += kept
        dropped += lost
    kept, lost = _clicks_beside_corrections(standing, said, corrected=[row for row in rows if row.role == "target"])
    instead = {item.id: item.of for item in lost}  # what stands instead of a click stands instead of its repetitions
    return kept, [replace(item, of=instead.get(item.of or "", item.of)) for item in dropped] + lost


class _Said:
    """What each row is about and says, as hashes to compare."""

    def __init__(self, rows: Sequence[Row]) -> None:
        hashes: dict[int, str] = {}  # messages are often the very same object

        def asked(messages: tuple[Message, ...]) -> str:
            if id(messages) not in hashes:
                hashes[id(messages)] = digest(*(f"{m.role} {' '.join(m.content.split())}" for m in messages))
            return hashes[id(messages)]

        self.asked = {row.id: asked(row.messages) for row in rows}
        self.target = {row.id: digest(row.target) for row in rows}
        self.rejected = {row.id: digest(row.rejected) if row.rejected is not None else "" for row in rows}

    def about(self, row: Row) -> tuple[str, ...]:
        """What rows must share to be able to contradict each other."""
        if row.role == "target":
            return (self.asked[row.id],)
        if row.role in ("pair", "tie"):
            return (self.asked[row.id], *sorted((self.target[row.id], self.rejected[row.id])))
        return (self.asked[row.id], self.target[row.id])

    def says(self, row: Row) -> str:
        """What it says about that."""
        return row.role if row.role in ("positive", "negative", "tie") else self.target[row.id]


def digest(*texts: str) -> str:
    """A hash of texts that differ in more than composition and spaces at their ends."""
    whole = "\x00".join(unicodedata.normalize("NFC", text).strip() for text in texts)
    return hashlib.sha256(whole.encode()).hexdigest()


def _newest(rows: Sequence[Row], said: _Said) -> Settled:
    kept: list[Row] = []
    dropped: list[Dropped] = []
    for about in _grouped(rows, said.about):
        last = about[-1]
        same = [row for row in about if said.says(row) == said.says(last)]
        kept.append(same[0])
        dropped += [_drop(row, "duplicate", of=same[0]) for row in same[1:]]
        agree = {row.rater for row in same}
        others = [row for row in about if said.says(row) != said.says(last)]
        dropped += [_drop(row, "replaced" if row.rater in agree else "contradicted", of=same[0]) for row in others]
    return kept, dropped


def _majority(rows: Sequence[Row], said: _Said) -> Settled:
    kept: list[Row] = []
    dropped: list[Dropped] = []
    for about in _grouped(rows, said.about):
        newest = {row.rater: said.says(row) for row in about}  # oldest first: the newest of each person counts
        counted = Counter(newest.values()).most_common()
        even = len(counted) > 1 and counted[0][1] == counted[1][1]
        if even:
            dropped += [_drop(row, "divided") for row in about]
            continue
        agreed = [row for row in about if said.says(row) == counted[0][0]]
        kept.append(agreed[0])
        dropped += [_drop(row, "duplicate", of=agreed[0]) for row in agreed[1:]]
        for row in about:
            if said.says(row) != counted[0][0]:
                changed = newest[row.rater] == counted[0][0]
                dropped.append(_drop(row, "replaced" if changed else "contradicted", of=agreed[0]))
    return kept, dropped


def _once(rows: Sequence[Row], said: _Said) -> Settled:
    groups = list(_grouped(rows, said.about))
    again = [_drop(row, "duplicate", of=group[0]) for group in groups for row in group[1:]]
    return [group[0] for group in groups], again


def _clicks_beside_corrections(rows: Sequence[Row], said: _Said, *, corrected: Sequence[Row]) -> Settled:
    """`corrected` are all corrections, as a reply stays corrected when a newer correction stands instead."""
    stands = {said.asked[row.id]: row for row in rows if row.role == "target"}
    replaced = {
        (said.asked[row.id], said.rejected[row.id]): stands[said.asked[row.id]]
        for row in corrected
        if row.rejected is not None
    }
    wanted = {(asked, said.target[row.id]): row for asked, row in stands.items()}

    def corrected_by(row: Row) -> Row | None:
        likes, dislikes = (said.asked[row.id], said.target[row.id]), (said.asked[row.id], said.rejected[row.id])
        if row.role == "pair":
            return replaced.get(likes) or wanted.get(dislikes)
        return {"positive": replaced, "negative": wanted}.get(row.role, {}).get(likes)

    kept: list[Row] = []
    dropped: list[Dropped] = []
    for row in rows:
        if of := corrected_by(row):
            dropped.append(_drop(row, "contradicted" if row.role == "negative" else "corrected", of=of))
        else:
            kept.append(row)
    return kept, dropped


def _grouped(rows: Iterable[Row], key: Callable[[Row], tuple[str, ...]]) -> Iterable[list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups.values()


def _drop(row: Row, why: Why, *, of: Row | None = None) -> Dropped:
    return Dropped(row.id, row.rater, row.role, why, of.id if of else None)


def shares(rows: Iterable[Row]) -> dict[str, float]:
    """Each person's part of the weight of what trains, largest first."""
    weights: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.split == "train":
            weights[row.rater] += row.weight
    total = sum(weights.values())
    return {who: weight / total for who, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0]))}


def weighed(rows: Sequence[Row]) -> list[Row]:
    """The rows with their weights, by the last two rules."""
    return _eased(_capped(_eased(rows)))


def _eased(rows: Sequence[Row]) -> list[Row]:
    """Negatives so light that together they do not outweigh what is wanted, where anything is."""
    train = [row for row in rows if row.split == "train"]
    against = sum(row.weight for row in train if row.role == "negative")
    wanted = sum(row.weight for row in train if row.role in ("target", "pair", "positive"))
    factor = wanted / against if wanted and against > wanted else 1.0
    return [_times(row, factor) if row.role == "negative" and row.split == "train" else row for row in rows]


def _times(row: Row, factor: float) -> Row:
    return replace(row, weight=round(row.weight * factor, 9)) if factor < 1.0 else row


def _capped(rows: Sequence[Row]) -> list[Row]:
    """The rows with nobody above a fifth of what trains, once at least five people have rows that train."""
    weights: dict[str, float] = defaultdict(float)
    for row in rows:
        if row.split == "train":
            weights[row.rater] += row.weight
    factors = _factors(weights)
    return [_times(row, factors.get(row.rater, 1.0)) for row in rows]


def _factors(counts: Mapping[str, float]) -> dict[str, float]:
    """By how much each person's rows count, so that nobody's sum is above a fifth of the new total.

    With the k largest at the ceiling c, the total is c / MOST = k * c + the rest: the first k at which the next one is
    below the ceiling anyway is the one. With five people or more that is at most four.
    """
    if len(counts) < ENOUGH_PEOPLE:
        return dict.fromkeys(counts, 1.0)
    largest = sorted(counts.values(), reverse=True)
    ceilings = (MOST * sum(largest[k:]) / (1 - MOST * k) for k in range(ENOUGH_PEOPLE))
    ceiling = next(c for c, following in zip(ceilings, largest, strict=False) if following <= c + 1e-9)
    return {who: round(min(1.0, ceiling / count), 9) for who, count in counts.items()}
