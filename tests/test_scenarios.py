"""Scenarios: the files that ftchat ships, the judging, and what a user's own file may get wrong."""

import csv
from pathlib import Path

import pytest

from ftchat.errors import SetupError
from ftchat.scenarios import Asked, Correction, Rule, Scenario, read_scenario, shipped_scenarios
from ftchat.starter.shop import products

PLAIN = """
name = "greeting"
about = "Answers begin with 'Moin!'"
[rule]
starts_with = "Moin!"
[correction]
prefix = "Moin! "
[teach]
prompts = ["Are you there?", "May I ask something?"]
[held_out]
prompts = ["Is anybody listening?"]
[retention]
prompts = ["Thank you!"]
"""
WITH_FACTS = (
    PLAIN.replace("[rule]", 'facts = "things.csv"\nheld_out_every = 2\n[rule]')
    .replace('["Are you there?", "May I ask something?"]', '["What is {name}?", "{name}?"]\ncount = 2')
    .replace('["Is anybody listening?"]', '["Explain {name}."]\ncount = 1')
)
THINGS = "name,price\nrye,2.00\noats,3.00\nflax,4.00\nmaize,5.00\n"


def written(folder: Path, text: str, things: str = THINGS) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "things.csv").write_text(things, encoding="utf-8")
    return path


def test_a_plain_file_is_read_whole(tmp_path):
    assert read_scenario(written(tmp_path, PLAIN)) == Scenario(
        name="greeting",
        about="Answers begin with 'Moin!'",
        rule=Rule(starts_with="Moin!"),
        correction=Correction(prefix="Moin! "),
        teach=(Asked(prompt="Are you there?", facts={}), Asked(prompt="May I ask something?", facts={})),
        held_out=(Asked(prompt="Is anybody listening?", facts={}),),
        retention=("Thank you!",),
    )


def test_wordings_are_filled_from_the_table_and_held_out_rows_are_never_taught(tmp_path):
    found = read_scenario(written(tmp_path, WITH_FACTS))

    assert found.teach == (
        Asked(prompt="What is rye?", facts={"name": "rye", "price": "2.00"}),
        Asked(prompt="flax?", facts={"name": "flax", "price": "4.00"}),
    )
    assert found.held_out == (Asked(prompt="Explain oats.", facts={"name": "oats", "price": "3.00"}),)


@pytest.mark.parametrize(
    ("rule", "reply", "broken"),
    [
        (Rule(contains=("EUR {price}",)), "It is EUR 3.00.", ()),
        (Rule(contains=("EUR {price}",)), "It is 3.00 euros.", ("lacks 'EUR 3.00'",)),
        (Rule(not_contains=("14 days",)), "Within 14 days.", ("has '14 days'",)),
        (Rule(regex=(r"{price}\b.{0,3}$",)), "It is 3.00.", ()),
        (Rule(regex=(r"{price}\b.{0,3}$",)), "It is 3x00.", (r"does not match '{price}\\b.{0,3}$'",)),
        (Rule(starts_with="{name}:"), "  oats: fine", ()),
        (Rule(starts_with="{name}:"), "Oats: fine", ("does not start with 'oats:'",)),
        (Rule(ends_with="Edda"), "Fine. Edda\n", ()),
        (Rule(ends_with="Edda"), "Fine. Edda!", ("does not end with 'Edda'",)),
        (Rule(max_words=3), "one two three", ()),
        (Rule(max_words=3), "one two three four", ("has 4 words, not 1 to 3",)),
        (Rule(max_words=3), " ", ("has 0 words, not 1 to 3",)),
        (Rule(contains=("a",), ends_with="b"), "c", ("lacks 'a'", "does not end with 'b'")),
    ],
)
def test_a_rule_says_what_a_reply_breaks(rule, reply, broken):
    assert rule.broken(reply, {"name": "oats", "price": "3.00"}) == broken


def scenario(rule: Rule, correction: Correction) -> Scenario:
    return Scenario(name="x", about="x", rule=rule, correction=correction, teach=(), held_out=(), retention=())


OATS = Asked(prompt="oats?", facts={"name": "oats", "price": "3.00"})


def test_a_correction_edits_the_reply_and_takes_the_template_where_that_is_not_enough():
    correction = Correction(
        replace=((r"(\d+)\.(\d\d) euros", r"EUR \1.\2"),), suffix=" Bye.", template="{name}: EUR {price}."
    )
    found = scenario(Rule(contains=("EUR {price}",)), correction)

    assert found.corrected(OATS, "They cost 3.00 euros.\n") == "They cost EUR 3.00. Bye."
    assert found.corrected(OATS, "They cost nothing.") == "oats: EUR 3.00."


def test_an_edit_may_name_facts_to_look_for_and_to_put_in():
    correction = Correction(replace=((r"{price} (euros)", r"\1 {price} for {name}"),))
    odd = Asked(prompt="?", facts={"name": r"a\1", "price": "3.00"})

    assert scenario(Rule(contains=("euros 3",)), correction).corrected(OATS, "3.00 euros.") == "euros 3.00 for oats."
    assert scenario(Rule(contains=("euros 3",)), correction).corrected(odd, "3.00 euros.") == r"euros 3.00 for a\1."
    assert scenario(Rule(contains=("x",)), correction).corrected(OATS, "3x00 euros.") == "3x00 euros."


def test_without_a_template_the_edit_stands_whatever_it_gives():
    found = scenario(Rule(contains=("EUR",)), Correction(prefix="Well: "))

    assert found.corrected(OATS, "No idea.") == "Well: No idea."


@pytest.mark.parametrize(
    ("left", "right", "winner"),
    [("yes", "no", "left"), ("no", "yes", "right"), ("yes", "yes", "tie"), ("no", "no", "both_bad")],
)
def test_who_votes_prefers_the_reply_that_keeps_the_rule(left, right, winner):
    assert scenario(Rule(contains=("yes",)), Correction(prefix="yes")).preferred(OATS, left, right) == winner


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "greeting"', "", "name is missing"),
        ('name = "greeting"', 'name = "Two Words"', "name is 'Two Words': use 1 to 40"),
        ('name = "greeting"', 'nmae = "greeting"', "nmae is not a key here: use about"),
        ('starts_with = "Moin!"', "", "rule.contains is missing"),
        ('starts_with = "Moin!"', 'starts_with = ""', "rule.starts_with must be a text that is not empty"),
        ('starts_with = "Moin!"', "max_words = 0", "rule.max_words must be a whole number from 1 on"),
        ('starts_with = "Moin!"', "contains = [1]", "rule.contains must be a list of texts"),
        ('starts_with = "Moin!"', 'regex = ["(a"]', "rule.regex holds '(a', which is not a regular expression"),
        ('starts_with = "Moin!"', 'starts_with = "{name}"', "rule has the placeholder {name}; the columns are none"),
        ('starts_with = "Moin!"', 'begins = "Moin!"', "rule.begins is not a key here"),
        ('prefix = "Moin! "', "", "correction.template is missing"),
        ('prefix = "Moin! "', 'replace = ["a"]', "correction.replace must be a list of pairs"),
        ('prefix = "Moin! "', 'replace = [["a", "\\\\1"]]', "correction.replace puts in '\\\\1'"),
        ('prefix = "Moin! "', 'replace = [["a", "{name}"]]', "correction has the placeholder {name}"),
        ('prefix = "Moin! "', 'template = "Hello!"', "correction.template breaks the rule for 'Are you there?'"),
        ('"Are you there?", ', '"Thank you!", ', "shares 'Thank you!' with a second"),
        ('"Are you there?", ', '"May I ask something?", ', "teach.prompts gives 'May I ask something?' twice"),
        ('["Is anybody listening?"]', "[]", "held_out.prompts must be a list of texts, at least one"),
        ("[retention]", "[retained]", "retained is not a key here"),
        ('prompts = ["Thank you!"]', "", "retention.prompts must be a list"),
        ("[rule]", "[rule", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(tmp_path, before, after, said):
    assert before in PLAIN
    path = written(tmp_path, PLAIN.replace(before, after))

    with pytest.raises(SetupError) as refusal:
        read_scenario(path)

    assert refusal.value.message.startswith(str(path))
    assert said in refusal.value.message


@pytest.mark.parametrize(
    ("before", "after", "things", "said"),
    [
        ("things.csv", "none.csv", THINGS, "facts names none.csv, which cannot be read"),
        ("held_out_every = 2", "", THINGS, "held_out_every must be a whole number from 2 on"),
        ("held_out_every = 2", "held_out_every = 9", THINGS, "has only 4 rows"),
        ("count = 2", "count = 3", THINGS, "teach.count is 3, but there are only 2 rows"),
        ("count = 2", "", THINGS, "teach.count must be a whole number from 1 on"),
        ("{name}?", "{nmae}?", THINGS, "teach.prompts has the placeholder {nmae}; the columns are name, price"),
        ("name", "name", THINGS + "barley\n", "row 6 has not as many cells"),
        ("Explain {name}.", "What is {price}?", THINGS.replace("oats,3.00", "oats,rye"), "shares 'What is rye?'"),
    ],
)
def test_a_wrong_table_of_facts_is_refused(tmp_path, before, after, things, said):
    assert before in WITH_FACTS

    with pytest.raises(SetupError) as refusal:
        read_scenario(written(tmp_path, WITH_FACTS.replace(before, after), things))

    assert said in refusal.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SetupError, match="cannot be read: No such file"):
        read_scenario(tmp_path / "none.toml")


def test_five_scenarios_are_shipped_with_enough_to_teach_and_to_measure():
    found = [read_scenario(path) for path in shipped_scenarios()]

    assert [one.name for one in found] == ["brevity", "policy", "price-form", "sign-off", "voice"]
    assert [path.stem for path in shipped_scenarios()] == [one.name for one in found]
    for one in found:
        assert len(one.teach) >= 60
        assert len(one.held_out) >= 30
        assert len(one.retention) >= 20
        assert not {asked.facts["name"] for asked in one.teach} & {asked.facts["name"] for asked in one.held_out}
        taught = {asked.prompt.replace(asked.facts["name"], "") for asked in one.teach}
        assert not taught & {asked.prompt.replace(asked.facts["name"], "") for asked in one.held_out}


@pytest.mark.parametrize("path", shipped_scenarios(), ids=lambda path: path.stem)
def test_a_plain_answer_breaks_every_shipped_rule_and_its_correction_keeps_it(path):
    found = read_scenario(path)

    for asked in (*found.teach, *found.held_out):
        facts = asked.facts
        plain = (
            f"The {facts['name']} {facts['is']} {facts['price']}.",
            f"It {facts['tastes']} {facts['taste']}, and it costs {facts['price']}.",
            "You can return unopened products within 14 days.",
            "I do not know that.",
        )
        for reply in plain:
            assert not found.is_kept(asked, reply)
            assert found.is_kept(asked, found.corrected(asked, reply))


def test_the_shipped_table_of_facts_is_the_shop():
    with (shipped_scenarios()[0].parent / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    told = [(row["name"], f"{row['amount']} euros", row["price"], row["taste"], row["is"] == "are") for row in rows]
    assert told == [(item.name, item.price, item.price, item.taste, item.many) for item in products()]
