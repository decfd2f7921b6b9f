"""Who gave feedback and how much on which day: counted by index, without what was taken back."""

from datetime import UTC, datetime, timedelta

import pytest
from test_store import ask

from ftchat import ids, review
from ftchat.records import Person, id_at, new_id
from ftchat.store import Store, activity


def test_everyone_whose_feedback_stands_is_named_once(store: Store) -> None:
    assert activity.raters(store) == []
    for rater in ("cara", "ann", "bob", "ann"):
        reply = ask(store, "What does it cost?").replies[0].id
        store.feedback.add_correction(reply, rater, "Better.")
    gone = store.feedback.add_correction(ask(store, "What does it cost?").replies[0].id, "zoe", "Better.")
    store.feedback.void(gone, "zoe")
    assert activity.raters(store) == ["ann", "bob", "cara"]


def test_days_are_counted_by_kind_the_empty_ones_too(store: Store) -> None:
    today = datetime.now(UTC)
    taken_back = store.feedback.add_correction(ask(store, "What does it cost?").replies[0].id, "ann", "Worse.")
    store.feedback.void(taken_back, "ann")
    turn = ask(store, "What does it cost?")
    store.feedback.add_correction(turn.replies[0].id, "ann", "Better.")
    store.feedback.add_rating(turn.replies[0].id, "bob", "up", reasons=None, comment="")
    found = activity.by_day(store, today=today, days=3)
    days = [str((today - timedelta(days=n)).date()) for n in (2, 1, 0)]
    assert found == [(days[0], {}), (days[1], {}), (days[2], {"correction": 1, "rating": 1})]
    tomorrow = activity.by_day(store, today=today + timedelta(days=1), days=1)
    assert tomorrow == [(str((today + timedelta(days=1)).date()), {})]


def test_an_id_of_a_moment_lies_between_those_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)  # as in a new process: other tests set the clock
    before = datetime.now(UTC) - timedelta(minutes=1)
    made = new_id("k")
    assert id_at("k", before) < made < id_at("k", datetime.now(UTC) + timedelta(minutes=1))


def test_reviewers_look_at_one_persons_feedback_and_raters_at_their_own(store: Store) -> None:
    for rater in ("ann", "bob", "bob"):
        store.feedback.add_correction(ask(store, "What does it cost?").replies[0].id, rater, "Better.")

    def seen(who: Person, rater: str | None) -> list[str]:
        return [feedback.rater for feedback in review.listed(store, who, rater=rater)[0]]

    reviewer, bob = Person("rita", "reviewer"), Person("bob", "rater")
    assert seen(reviewer, None) == ["bob", "bob", "ann"]
    assert seen(reviewer, "ann") == ["ann"]
    assert seen(bob, "ann") == ["bob", "bob"]
    assert (review.raters(store, reviewer), review.raters(store, bob)) == (["ann", "bob"], ["bob"])
    assert review.counts(store, reviewer) == {"correction/pending": 3}
    assert review.counts(store, bob) == {}
