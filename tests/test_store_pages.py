"""Pages of feedback and conversations: every row once and in order, whatever is asked for; and the table they are read
from says what the append-only rows say."""

import itertools
import random
from collections import Counter

import pytest
from test_store import ask

from ftchat.errors import BadInput, NotFound
from ftchat.records import Feedback
from ftchat.store import Store
from ftchat.store.pages import KINDS, STATUSES

WORDS = ("brie", "gouda", "feta", "tea", "jasmine", "price", "weight", "colour")


def give(store: Store, chance: random.Random, *, times: int) -> None:
    """Random feedback of all kinds by several people, some of it reviewed once or more, some taken back."""
    with store.writing():
        _give(store, chance, times=times)


def _give(store: Store, chance: random.Random, *, times: int) -> None:
    given: list[str] = []
    for _ in range(times):
        turn = ask(store, " ".join(chance.sample(WORDS, 3)), owner=chance.choice(("ann", "bob")))
        reply = turn.reply("left").id
        for _ in range(chance.randrange(4)):
            rater = chance.choice(("ann", "bob", "cem"))
            match chance.randrange(3):
                case 0 if store.feedback.vote_of(turn.id) is None:
                    given.append(store.feedback.add_vote(turn, rater, "tie", reasons=None, comment=""))
                case 1:
                    given.append(store.feedback.add_rating(reply, rater, "up", reasons=None, comment=""))
                case _:
                    given.append(store.feedback.add_correction(reply, rater, chance.choice(WORDS)))
        for feedback in chance.sample(given, min(3, len(given))):
            try:
                if chance.random() < 0.3:
                    store.feedback.void(feedback, "ann")
                else:
                    store.feedback.review(feedback, chance.choice(STATUSES), "cem")
            except NotFound:
                assert store.row("SELECT 1 AS yes FROM voids WHERE target = :t", {"t": feedback}) == {"yes": 1}


def truth(store: Store) -> dict[str, tuple[str, str, str]]:
    """What stands, with kind, status and rater, worked out anew from the rows that nothing can change."""
    stands = {}
    for kind in KINDS:
        for row in store.rows(f"SELECT id, rater FROM {kind}s"):
            stands[row["id"]] = (kind, "pending", row["rater"])
    for row in store.rows("SELECT target, status FROM reviews ORDER BY seq"):
        kind, _, rater = stands[row["target"]]
        stands[row["target"]] = (kind, row["status"], rater)
    for row in store.rows("SELECT target FROM voids"):
        del stands[row["target"]]
    return stands


def walk(store: Store, *, limit: int, **wanted: str | None) -> list[Feedback]:
    """Every page, one after the other."""
    found: list[Feedback] = []
    after = None
    while True:
        items, after = store.feedback.page(**wanted, after=after, limit=limit)  # type: ignore[arg-type]
        found += items
        assert len(items) == limit or after is None
        if after is None:
            return found


@pytest.mark.parametrize("seed", range(8))
def test_what_stands_and_how_much_is_what_the_append_only_rows_say(store: Store, seed: int) -> None:
    give(store, random.Random(seed), times=25)
    stands = truth(store)
    rows = store.rows("SELECT id, kind, status, rater FROM standing")
    assert {row["id"]: (row["kind"], row["status"], row["rater"]) for row in rows} == stands
    assert store.feedback.counts() == dict(Counter(f"{kind}/{status}" for kind, status, _ in stands.values()))
    assert {f.id: (f.kind, f.status, f.rater) for f in store.feedback.all()} == stands


def test_pages_hold_every_row_once_and_newest_first_whatever_is_asked_for(store: Store) -> None:
    give(store, random.Random(1), times=60)
    everything = sorted(store.feedback.all(), key=lambda f: f.id[2:], reverse=True)
    assert len(everything) > 40
    for kind, status, rater in itertools.product((None, *KINDS), (None, *STATUSES), (None, "ann", "cem", "nobody")):
        wanted = [
            f for f in everything if kind in (None, f.kind) and status in (None, f.status) and rater in (None, f.rater)
        ]
        assert walk(store, limit=7, kind=kind, status=status, rater=rater) == wanted


def test_a_search_pages_through_everything_with_those_words_newest_text_first(store: Store) -> None:
    give(store, random.Random(2), times=60)

    def has(feedback: Feedback, *words: str) -> bool:
        said = feedback.prompt + (feedback.value if feedback.kind == "correction" else "")
        return all(word.rstrip("*") in said for word in words)

    for words in (("brie",), ("tea", "gouda"), ("jasm*", "pri*")):
        for kind, rater in itertools.product((None, *KINDS), (None, "bob")):
            found = walk(store, limit=5, search=" ".join(words).upper(), kind=kind, rater=rater)
            wanted = [
                f
                for f in store.feedback.all()
                if kind in (None, f.kind) and rater in (None, f.rater) and has(f, *words)
            ]
            assert sorted(f.id for f in found) == sorted(f.id for f in wanted)
    corrections = walk(store, limit=5, search="brie", kind="correction")
    assert corrections == sorted(corrections, key=lambda f: f.id[:12], reverse=True)  # to the millisecond


def test_what_was_taken_back_is_on_no_page(store: Store) -> None:
    turn = ask(store, "What does the brie cost?")
    correction = store.feedback.add_correction(turn.reply("left").id, "ann", "five euros")
    assert [f.id for f in store.feedback.page(search="euros", limit=5)[0]] == [correction]
    store.feedback.void(correction, "ann")
    assert store.feedback.page(search="euros", limit=5) == ([], None)
    assert store.feedback.page(limit=5) == ([], None)


def test_new_feedback_does_not_shift_the_pages_that_come_after(store: Store) -> None:
    for i in range(6):
        store.feedback.add_vote(ask(store, f"question {i}"), "ann", "tie", reasons=None, comment="")
    first, after = store.feedback.page(limit=3)
    store.feedback.add_vote(ask(store, "question 6"), "ann", "tie", reasons=None, comment="")
    second, end = store.feedback.page(after=after, limit=3)
    assert [f.prompt for f in (*first, *second)] == [f"question {i}" for i in (5, 4, 3, 2, 1, 0)]
    assert end is None


@pytest.mark.parametrize(
    "search", ["?!", "", " ", '"', "*", "_", "\ud800", "\x00", "said : x", "(", "NEAR(a b)", "-", "é"]
)
def test_any_text_can_be_searched_for(store: Store, search: str) -> None:
    ask(store, "an ordinary question")
    assert store.feedback.page(search=search, limit=5) == ([], None)
    assert store.turns.conversations("ann", search=search, limit=5) == []


@pytest.mark.parametrize("after", ["", "x", "v_", "v_' OR 1", "12", "12.v_a.b", "99999999999999999999.v_a"])
def test_a_place_that_no_page_gave_is_refused(store: Store, after: str) -> None:
    for search in (None, "brie"):
        with pytest.raises(BadInput, match="page before"):
            store.feedback.page(after=after, search=search, limit=5)


def test_an_unknown_status_or_kind_is_refused_by_name(store: Store) -> None:
    with pytest.raises(BadInput, match="'done'"):
        store.feedback.page(status="done", limit=5)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="'thumb'"):
        store.feedback.page(kind="thumb", limit=5)  # type: ignore[arg-type]


def test_a_review_of_what_is_not_there_or_was_taken_back_is_refused(store: Store) -> None:
    vote = store.feedback.add_vote(ask(store, "hi there"), "ann", "tie", reasons=None, comment="")
    store.feedback.void(vote, "ann")
    for target in (vote, "v_unknown", "junk"):
        with pytest.raises(NotFound):
            store.feedback.review(target, "approved", "cem")
    with pytest.raises(NotFound):
        store.feedback.void("v_unknown", "ann")
    assert store.rows("SELECT * FROM reviews") == []


def test_conversations_are_paged_by_owner_mode_and_words(store: Store) -> None:
    for i in range(9):
        ask(store, f"number {i} about {'brie' if i % 2 else 'tea'}", mode="chat" if i % 3 else "compare")
        ask(store, f"number {i} of bob's", owner="bob")

    def titles(**wanted: str) -> list[str]:
        found, before = [], None
        while page := store.turns.conversations("ann", limit=2, before=before, **wanted):  # type: ignore[arg-type]
            found += [c.title.split(" ")[1] for c in page]
            before = page[-1].id
        return found

    assert titles() == list("876543210")
    assert titles(mode="compare") == list("630")
    assert titles(search="brie") == list("7531")
    assert titles(search="BRI* numb*", mode="chat") == list("751")
    assert titles(search="bri") == []  # a whole word, unless a star says otherwise
    assert titles(search="bob") == []
    assert len(store.turns.conversations(None, limit=50)) == 18
    assert len(store.turns.conversations(None, limit=50, search="bob")) == 9


def test_a_conversation_is_found_by_the_words_of_a_correction_in_it(store: Store) -> None:
    turn = ask(store, "What does the brie cost?")
    store.feedback.add_correction(turn.reply("left").id, "ann", "Fünf Euro fifty")
    assert [c.id for c in store.turns.conversations("ann", search="funf", limit=5)] == [turn.conversation]
    assert store.turns.conversations("bob", search="funf", limit=5) == []


def test_an_owner_whose_name_begins_like_anothers_sees_their_own(store: Store) -> None:
    mine = ask(store, "about brie", owner="ann-marie")
    ask(store, "about brie", owner="ann-marie-louise")
    odd = ask(store, "about brie", owner="!?")
    assert [c.id for c in store.turns.conversations("ann-marie", search="brie", limit=5)] == [mine.conversation]
    assert [c.id for c in store.turns.conversations("!?", search="brie", limit=5)] == [odd.conversation]
