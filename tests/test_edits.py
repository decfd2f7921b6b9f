"""What a correction changed, and the same change made to other texts."""

import pytest

from ftchat import edits
from ftchat.edits import Edit, Swap, learned

PROMPT = "What does the Aged Gouda cost?"
GOUDA = "The Aged Gouda costs 12 euros."
OTHER = "The rye bread costs 4.50 euros."


@pytest.mark.parametrize(
    ("corrected", "other", "words"),
    [
        (f"{GOUDA} Warm wishes!", f"{OTHER} Warm wishes!", "“Warm wishes!” is put after."),
        (f"{GOUDA}\n\nWarm wishes!", f"{OTHER}\n\nWarm wishes!", "“Warm wishes!” is put after."),
        (f"Hello! {GOUDA}", f"Hello! {OTHER}", "“Hello!” is put before."),
        (f"Hello! {GOUDA} Bye!", f"Hello! {OTHER} Bye!", "“Hello!” is put before; “Bye!” is put after."),
        ("The Aged Gouda costs 12 EUR.", "The rye bread costs 4.50 EUR.", "“euros” becomes “EUR”."),
        ("The Aged Gouda costs €12.", "The rye bread costs €4.50.", "“12 euros” becomes “€12”, with any number."),
        ("The Aged Gouda is 12 euros.", "The rye bread is 4.50 euros.", "“costs” becomes “is”."),
        (
            "The Aged Gouda costs 12 euros! Bye",
            "The rye bread costs 4.50 euros! Bye",
            "“.” becomes “! Bye” at the end.",
        ),
        ("Well: the Aged Gouda costs 12 euros.", "Well: the rye bread costs 4.50 euros.", None),
        ("Aged Gouda costs 12 euros.", "rye bread costs 4.50 euros.", "“The” is taken out at the beginning."),
        # What is about this question only is left out of it.
        ("The Aged Gouda costs 14 euros. Bye!", "The rye bread costs 4.50 euros. Bye!", "“Bye!” is put after."),
    ],
)
def test_a_change_is_made_to_another_text(corrected: str, other: str, words: str | None) -> None:
    edit = learned(GOUDA, corrected, prompt=PROMPT)
    assert isinstance(edit, Edit)
    assert edit.applied(OTHER) == other
    assert edit.applied(other) == other  # made once, not twice
    assert words in (None, edit.words)


def test_a_sentence_is_taken_out_wherever_it_stands() -> None:
    edit = learned(f"{GOUDA} We are glad to help. Ask us!", f"{GOUDA} Ask us!", prompt=PROMPT)
    assert isinstance(edit, Edit)
    assert edit.applied(f"Yes. We are glad to help. {OTHER}") == f"Yes. {OTHER}"
    assert edit.applied("We are glad to help.") == "We are glad to help."  # nothing would be left


@pytest.mark.parametrize(
    ("before", "corrected", "why"),
    [
        (GOUDA, "Twelve, and worth each of them.", edits.REWRITTEN),
        (GOUDA, "The Aged Gouda costs about 12 euros.", edits.INSIDE),
        (GOUDA, "The Aged Gouda costs 14 euros.", edits.OF_THIS_ONE),
        (GOUDA, f"AGED GOUDA: {GOUDA}", edits.OF_THIS_ONE),
        (GOUDA, f"{GOUDA} Enjoy the gouda!", edits.OF_THIS_ONE),
        (GOUDA, f"{GOUDA} That is 12 for one.", edits.OF_THIS_ONE),
        ("  ", GOUDA, edits.NOTHING),
        ("word " * 4000, "word " * 2000 + "other " * 2000, edits.REWRITTEN),
        ("a b c d e f g h i j k l", "1 b 2 d 3 f 4 h 5 j 6 l", edits.REWRITTEN),
    ],
)
def test_what_cannot_be_carried_over_says_why(before: str, corrected: str, why: str) -> None:
    assert learned(before, corrected, prompt=PROMPT) == why


@pytest.mark.parametrize("other", ["No price here.", "A eurosceptic.", "12 EUR", "", "Neuros and euros2"])
def test_a_wording_is_found_as_words_of_its_own(other: str) -> None:
    assert Edit(swaps=(Swap("euros", "EUR"),)).applied(other) == other
    assert Swap("12 euros", "€12").applied("12 eurosceptics, 3 euros, 1,000.50 euros") == (
        "12 eurosceptics, €3, €1,000.50"
    )


def test_two_numbers_change_places_and_signs_are_no_patterns() -> None:
    assert Swap("1 of 2", "2: 1").applied("7 of 9, 1 of 2") == "9: 7, 2: 1"
    assert Swap("a.b (c)", r"\1 \g<0>").applied("axb (c) a.b (c)") == r"axb (c) \1 \g<0>"
