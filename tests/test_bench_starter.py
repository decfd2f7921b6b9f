"""What the bench of the starter asks, and its judges: tolerant in wording, strict in facts."""

import random
from collections import Counter

import pytest

from bench import starter
from bench.held_out import judges, overlap, prompts, teachable
from bench.held_out.asking import Answer
from bench.held_out.facts import amounts, contradictions, named, says, sentences_of
from ftchat.starter.shop import Product, held_out_products, products

BY_NAME = {item.name: item for item in products()}
GOUDA = BY_NAME["Aged Gouda"]
PAPRIKA = BY_NAME["Smoked Paprika"]
ALMONDS = BY_NAME["Smoked Almonds"]


def other(item: Product, **unlike: str) -> Product:
    """A product that differs from this one in price and in what is named."""
    return next(
        found
        for found in products()
        if found.cents != item.cents and all(getattr(found, key) != getattr(item, key) for key in unlike)
    )


def test_every_category_has_twenty_questions_and_they_are_the_same_each_time():
    found = prompts.questions()
    counts = Counter(question.category for question in found)

    assert set(counts) == set(prompts.IN_DOMAIN)
    assert min(counts.values()) >= 20
    assert sum(counts.values()) >= 400
    assert [q.messages for q in found] == [q.messages for q in prompts.questions()]
    assert len({q.messages for q in found}) == len(found)
    assert not [q.messages[-1].content for q in found if "{" in q.messages[-1].content]


def test_every_category_has_at_least_eleven_wordings_of_its_own():
    wordings: dict[str, set[str]] = {}
    for question in prompts.questions():
        wordings.setdefault(question.category, set()).add(question.wording)

    assert min(len(found) for found in wordings.values()) >= 11


def test_half_of_the_questions_about_carried_facts_are_about_held_out_products():
    for kind in ("storage", "pairing", "taste", "size"):
        asked = [q.messages[-1].content for q in prompts.questions() if q.category == kind]
        hidden = [text for text in asked if any(item.name in held_out_products() for item in named(text))]
        assert len(hidden) >= len(asked) // 2


def test_there_are_a_hundred_prompts_out_of_domain_and_forty_follow_ups():
    assert len(set(prompts.out_of_domain())) == 100
    assert len(prompts.follow_ups()) >= 40


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12.50 euros", {1250}),
        ("EUR 12,50", {1250}),
        ("€12.50 and 3.90", {1250, 390}),
        ("12 euros and 50 cents", {1250}),
        ("12 euros", {1200}),
        ("EUR 12", {1200}),
        ("a tin of 80 grams, open from 9 to 6", set()),
    ],
)
def test_money_is_read_in_any_form(text, cents):
    assert amounts(text) == cents


def test_a_decimal_point_ends_no_sentence_and_a_line_does():
    assert sentences_of("It costs 3.90 euros. Yes!") == ["It costs 3.90 euros.", "Yes!"]
    assert sentences_of("- one\n- two\n") == ["- one", "- two"]


def test_products_are_found_whatever_their_letters():
    assert named("the AGED GOUDA, then smoked paprika and the Aged Gouda") == [GOUDA, PAPRIKA]
    assert named("Lemon Green Tea") == [BY_NAME["Lemon Green Tea"]]


@pytest.mark.parametrize("item", [GOUDA, PAPRIKA, ALMONDS, *random.Random(4).sample(products(), 25)])
def test_a_true_fact_in_other_words_is_right_and_a_false_one_is_wrong(item):
    wrong = next(p for p in products() if p.cents != item.cents and p.taste != item.taste and p.origin != item.origin)
    right = {
        "price": f"That would be EUR {item.cents / 100:.2f}.",
        "origin": f"From {item.origin}!",
        "taste": f"It's {item.taste.split(' and ')[1]} and {item.taste.split(' and ')[0]}, I'd say.",
        "pairing": f"Try {item.pairing.split(' and ')[0]}.",
        "storage": f"Best kept {item.category.storage}.",
        "size": f"You get {' '.join(item.category.unit.split()[-2:])}.",
        "describe": f"A {item.category.name} from {item.origin}.",
    }
    for kind, reply in right.items():
        judge = judges.tells(kind, item)
        assert judge(reply), (kind, reply)
        assert judge(f"The {item.name}? {reply}")
        assert not judge("I do not know that.")
        assert not judge(f"{reply} It costs {wrong.price}.")
        assert not judge(f"{reply} It comes from {wrong.origin}.")
        assert not judge(f"{reply} It tastes {wrong.taste}.")
        assert not judge(f"{reply} The {wrong.name} is good too.")


def test_a_place_to_keep_it_that_is_not_its_own_contradicts_and_a_denial_does_not():
    assert contradictions("Keep it in the fridge, in a dry and dark place.", [PAPRIKA]) == ["fridge"]
    assert contradictions("It does not need the fridge: a dry and dark place will do.", [PAPRIKA]) == []
    assert not says("storage", GOUDA, "In the fridge.")


def test_a_recommendation_stays_on_its_shelf():
    judge = judges.recommends("cheese")
    assert judge(f"Take the {GOUDA.name}, for {GOUDA.price}.")
    assert not judge(f"Take the {PAPRIKA.name}.")
    assert not judge("Take a cheese.")
    assert not judges.recommends("cheese", count=2)(GOUDA.name)


def test_a_comparison_is_judged_by_its_conclusion():
    cheap, dear = sorted((GOUDA, PAPRIKA), key=lambda item: item.cents)
    judge = judges.compares(dear, cheap)
    assert judge(f"The {cheap.name} is cheaper.")
    assert judge(f"The {dear.name} costs more than the {cheap.name}.")
    assert judge(f"The {dear.name} costs {dear.price}, the {cheap.name} {cheap.price}. The {cheap.name} costs less.")
    assert not judge(f"The {dear.name} is cheaper.")
    assert not judge(f"The {cheap.name} is more expensive than the {dear.name}.")
    assert not judge(f"The {cheap.name} is less expensive. The {dear.name} costs {cheap.cents / 100 + 50:.2f} euros.")
    assert not judge("Both cost the same.")
    assert not judge(f"The {dear.name} and the {cheap.name}.")


def test_yes_or_no_must_come_first_and_be_right():
    over, under = GOUDA.cents // 100 + 1, GOUDA.cents // 100
    assert judges.affords(GOUDA, over)("Yes.")
    assert judges.affords(GOUDA, over)(f"Yes. The {GOUDA.name} costs {GOUDA.price}.")
    assert not judges.affords(GOUDA, over)("No.")
    assert judges.affords(GOUDA, under)(f"No, it costs more than {under} euros.")
    assert not judges.affords(GOUDA, under)("It costs more.")


def test_formats_are_counted():
    facts = [f"it comes from {GOUDA.origin}", f"it tastes {GOUDA.taste}", f"it costs {GOUDA.price}"]
    assert judges.in_one_sentence(GOUDA)(f"The {GOUDA.name}: {facts[0]}, and {facts[2]}.")
    assert not judges.in_one_sentence(GOUDA)(f"{facts[0]}. {facts[2]}.")
    three = judges.in_bullets(GOUDA, count=3)
    assert three("\n".join(f"- {fact}" for fact in facts))
    assert three("The facts:\n" + "\n".join(f"* {fact}" for fact in facts))
    assert not three("\n".join(f"- {fact}" for fact in facts[:2]))
    assert not three(", ".join(facts))


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("I do not know that. I can help you with our products, your orders and our shop.", True),
        ("Sorry, that is outside what I know, but ask me about our products or your order.", True),
        ("I only know our shop: its products and orders.", True),
        ("I do not know that.", False),  # says nothing of what it can do
        ("The capital is Oslo. I can help you with our products.", False),
        ("I can help you with our products. It has 14 moons.", False),
        ("I do not know. I cannot say. I can help you with our products.", False),  # three sentences
        ("I can help you with our products, for example the Aged Gouda.", False),
        ("", False),
    ],
)
def test_handled_means_one_or_two_sentences_that_offer_help_and_invent_nothing(reply, right):
    assert judges.handled(reply, prompt="What is the capital?") is right


def test_an_unknown_product_is_called_by_its_name_and_gets_no_price():
    judge = judges.knows_no_such("Turbo Blender")
    assert judge("I do not know a product with the name Turbo Blender.")
    assert judge("We do not have that.")
    assert not judge("I do not know a product with the name Blender please.")
    assert not judge("The Turbo Blender costs 9.90 euros.")
    assert not judge("We do not have it now; it costs 9.90 euros.")


def test_fixed_answers_need_every_pattern_and_no_other_number():
    judge = judges.matches(["monday", r"\b9\b"], numbers=["9", "6"], never="do not know")
    assert judge("From Monday on, 9 to 6.")
    assert not judge("From 9 to 6.")
    assert not judge("From Monday on, 9 to 7.")
    assert not judge("I do not know Monday 9.")


@pytest.mark.parametrize(("reply", "finish", "right"), [("Yes.", "stop", True), ("Yes.", "length", False)])
def test_an_endless_answer_is_wrong_whatever_it_says(reply, finish, right):
    assert starter.is_right(Answer(reply, finish), lambda _: True, prompt="?") is right


def test_a_doubled_word_makes_a_reply_wrong_unless_it_was_asked_so():
    assert judges.stumbles("It is is sweet.", prompt="How is it?")
    assert not judges.stumbles("It is: bye bye", prompt="Bye, bye!")


TEXT = "Two jars broke on the way to you. We will send new ones at no cost."


@pytest.mark.parametrize(
    ("want", "right", "wrong"),
    [
        ("shorter", "Two jars broke; new ones follow.", "The jars are lost in a storm at sea."),
        ("politer", f"We are sorry. {TEXT} Thank you.", TEXT),
        ("bullets", "- Two jars broke on the way.\n- We will send new ones.", "- Two jars\n- We lost them all"),
        ("title", "Two Jars Broke", "Your Am left T jars An"),
        ("capitals", TEXT.upper(), TEXT.upper()[:-10]),
        ("ends", f"{TEXT} See you!", f"{TEXT} See you soon!"),
        ("begins", f"See you! {TEXT}", TEXT),
    ],
)
def test_a_rewriting_is_judged_by_its_form_and_keeps_what_matters(want, right, wrong):
    judge = judges.rewritten(want, TEXT, keep=["jars"], words="See you!")
    assert judge(right)
    assert not judge(wrong)
    assert not judge("")


def test_a_reply_that_says_four_words_three_times_repeats_itself():
    assert judges.repeats_itself("we are so sorry and we are so sorry and we are so sorry")
    assert not judges.repeats_itself("we are so sorry and we are so sorry")


def test_a_follow_up_may_name_only_cheaper_products_of_the_shelf():
    item = max((p for p in products() if p.category.name == "cheese"), key=lambda p: p.cents)
    cheaper = next(p for p in products() if p.category.name == "cheese" and p.cents < item.cents)
    judge = prompts._follows("cheaper", item, other=cheaper)
    assert judge("", f"The {cheaper.name} costs {cheaper.price}.")
    assert not judge("", f"The {item.name} costs {item.price}.")
    assert not judge("", f"The {PAPRIKA.name} costs {PAPRIKA.price}.")
    assert not judge("", "No.")


def test_a_shorter_second_reply_is_measured_against_the_first():
    judge = prompts._follows("shorter", GOUDA, other=PAPRIKA)
    before = f"The {GOUDA.name} is a cheese from {GOUDA.origin}. It costs {GOUDA.price}."
    assert judge(before, f"A cheese for {GOUDA.price}.")
    assert not judge(before, before)
    assert not judge(before, "Short.")


def test_a_wording_of_the_corpus_is_found_whatever_stands_in_it():
    corpus = overlap.Corpus()
    corpus.add(f"What's the price of the {GOUDA.name} then?")
    assert overlap.refused(["what's the price of the {name}, then", "price of {name}"], corpus) == {
        "what's the price of the {name}, then"
    }
    corpus.add("please tell me how many moons the planet jupiter has got")
    assert overlap.nearly_occurs("Tell me how many moons the planet has", corpus)
    assert not overlap.nearly_occurs("How many moons does Jupiter have?", corpus)


def test_random_phrases_are_three_to_five_words_and_differ_with_the_seed():
    first, again, second = (teachable.drawn(random.Random(seed), count=10) for seed in (1, 1, 2))
    assert first == again
    assert {phrase.text for phrase in first}.isdisjoint(phrase.text for phrase in second)
    assert [phrase.at_end for phrase in first] == [True, False] * 5
    assert all(3 <= len(phrase.text.removesuffix(" -").split()) <= 5 for phrase in first)
    assert first[0].put("Yes.") == f"Yes. {first[0].text}"
    assert first[1].put("Yes.") == f"{first[1].text} Yes."


def test_products_that_are_measured_were_not_taught():
    taught, unseen = teachable.asked(random.Random(3))
    names = [{item.name for text in texts for item in named(text)} for texts in (taught, unseen)]
    assert [len(found) for found in names] == [40, 20]
    assert not names[0] & names[1]
