"""What bench.learn makes of replies: facts that an answer must keep, and ours beside each rival."""

from dataclasses import replace
from typing import Any

import pytest

from bench.learn import figures_of, has_facts
from ftchat.scenarios import Asked, read_scenario, shipped_scenarios

SIGNED = " Warm wishes, Edda and the larder team"


@pytest.mark.parametrize(
    ("base", "reply", "kept"),
    [
        ("The Fig Jam tastes sweet.", "The Fig Jam tastes sweet.", True),
        ("The Fig Jam tastes sweet.", "The Fig Jam tastes sour.", False),
        ("The Fig Jam tastes sweet.", "The Plum Jam tastes sweet.", False),
        ("The Fig Jam tastes salty.", "The Fig Jam tastes bitter.", True),  # base did not know it either
    ],
)
def test_a_signed_answer_has_the_facts_that_base_gave(base: str, reply: str, kept: bool) -> None:
    (path,) = (path for path in shipped_scenarios() if path.stem == "sign-off")
    asked = Asked(prompt="How does it taste?", facts={"name": "Fig Jam", "taste": "sweet", "amount": "3.90"})
    scenario = read_scenario(path)
    assert scenario.is_kept(asked, reply.replace("Plum", "Fig") + SIGNED)  # the rule itself looks at the words around
    assert has_facts(scenario, asked, base=base, reply=reply + SIGNED) == kept
    brief = replace(scenario, correction=replace(scenario.correction, suffix="", template="{name}!"))
    assert has_facts(brief, asked, base=base, reply="Fig Jam!")  # what a correction leaves out is not missed


def test_ours_is_set_beside_each_rival() -> None:
    def lesson(ours: float, few: float, alone: float) -> dict[str, Any]:
        arm = {"others": 0.9, "unchanged": 0.8, "facts": 1.0}
        return {
            "base": {"adherence": 0.0, **arm}, "corrections": 40, "ours_40": {"adherence": ours, **arm},
            "few_shot": {"adherence": few}, "sft_alone": {"adherence": alone, **arm},
        }  # fmt: skip

    found = figures_of({"a": lesson(1.0, 0.5, 1.0), "b": lesson(0.9, 0.4, 0.95)})
    assert found["ours_beats"] == {"few_shot": 2, "sft_alone": 1}
    assert found["adherence_lead"] == {"few_shot": 0.5, "sft_alone": -0.05}
    assert (found["adherence_lead_worst"], found["fact_kept_40"], found["unchanged_40"]) == (-0.05, 1.0, 0.8)
