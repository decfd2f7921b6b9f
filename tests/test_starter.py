"""The starter model: its corpus, its tokenizer, its build at a tiny size, and the shipped weights."""

import copy
import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftchat.errors import SetupError
from ftchat.starter import model_path, sample_prompts
from ftchat.starter.corpus import FURTHER, HELD_OUT, dialogues, held_out_dialogues
from ftchat.starter.dialogue import Dialogue, Exchange, Turn
from ftchat.starter.formats import described_in_three
from ftchat.starter.order_words import ORDERS
from ftchat.starter.outside import outside
from ftchat.starter.passages import letter
from ftchat.starter.phrasing import expand, pick, said_casually
from ftchat.starter.product_words import PHRASINGS
from ftchat.starter.rewriting import asked_for, bullets, in_price_form, listed, shorter, title
from ftchat.starter.shop import held_out_products, products
from ftchat.starter.small_talk import ABLE, unknown_name
from ftchat.starter.support_talk import TOPICS
from ftchat.starter.vocabulary import encoded, rendered

ODD_TEXTS = (
    "EUR 12.50 – Zoë's ½ crème brûlée!",
    "  two  spaces\n\n\ttab  ",
    "日本語 नमस्ते עברית العربية",
    "🧀🥖👩‍🍳🏳️‍🌈 naïve ﷽ \u200b",
    "x²+y²≤∞ \\ `code` <b>&amp;</b> {1: 'a'}",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model built end to end by the command, in a process of its own."""
    out = tmp_path_factory.mktemp("starter") / "tiny"
    command = [sys.executable, "-m", "ftchat.starter.build", "--out", str(out), "--tiny", "--seed", "3"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1])["steps"] == 6  # three from nothing, three that go on
    return out


@pytest.fixture(scope="module")
def shipped_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_path(), local_files_only=True)


@pytest.fixture(scope="module")
def shipped_model() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_path(), local_files_only=True).eval()


def replies(model: Any, tokenizer: Any, prompts: list[list[dict[str, str]]]) -> list[str]:
    """Greedy answers to several conversations."""
    import torch

    texts = [tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) for asked in prompts]
    found = []
    for first in range(0, len(texts), 24):
        batch = tokenizer(texts[first : first + 24], return_tensors="pt", padding=True, padding_side="left")
        ids, mask = batch["input_ids"], batch["attention_mask"]
        with torch.inference_mode():
            out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=96)
        found += [tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in out]
    return found


def right(model: Any, tokenizer: Any, found: Sequence[Dialogue]) -> int:
    """How many of the dialogues are answered as their judge wants it."""
    given = replies(model, tokenizer, [item.messages(with_reply=False) for item in found])
    return sum(item.is_answered_by(reply) for item, reply in zip(found, given, strict=True))


def test_shop_has_a_few_hundred_products_with_distinct_names() -> None:
    names = [product.name for product in products()]
    assert 200 <= len(names) == len(set(names)) <= 400
    assert held_out_products() < set(names)


def test_corpus_is_the_same_for_the_same_seed_and_differs_for_another() -> None:
    first = dialogues(5, 2, count=80)
    assert first == dialogues(5, 2, count=80)
    assert first != dialogues(6, 2, count=80)
    assert first != dialogues(5, 3, count=80)


def test_corpus_is_varied() -> None:
    found = dialogues(1, 0, count=3000)
    assert len({rendered(dialogue) for dialogue in found}) > 2900
    assert len({dialogue.kind for dialogue in found}) >= 30
    assert any(dialogue.turns[0].role == "system" for dialogue in found)
    assert any(len(dialogue.turns) >= 8 for dialogue in found)


@pytest.mark.parametrize("kind", PHRASINGS)
def test_one_kind_of_question_is_asked_in_many_wordings_and_names_the_product(kind: str) -> None:
    rng = random.Random(4)
    asked = {pick(rng, PHRASINGS[kind], name="Fig Jam") for _ in range(600)}
    assert len(asked) >= 12
    assert all("Fig Jam" in text and not re.search(r"[\[\]{}|]|  ", text) for text in asked)


def test_support_templates_expand_without_a_trace_of_the_grammar() -> None:
    rng = random.Random(5)
    templates = [text for topic in TOPICS for text in topic.asked]
    templates += [text for _, phrasings, _, _ in ORDERS for text in phrasings]
    for template in templates:
        assert not re.search(r"[\[\]{}|]|  ", expand(rng, template, n="4711")), template


def test_a_template_stands_for_all_its_choices() -> None:
    rng = random.Random(6)
    assert {expand(rng, "[a|b [c|d]|] {x} ?", x="[y]") for _ in range(200)} == {
        "a [y]?",
        "b c [y]?",
        "b d [y]?",
        "[y]?",
    }


def test_one_wording_in_ten_is_kept_for_measuring() -> None:
    rng, letters = random.Random(7), "abcdefghijklmnopqrstuvwxyz"
    templates = [f"[{'|'.join(letters)}]{letter} {{slot}}?" for letter in letters]
    trained = {pick(rng, templates, slot="x") for _ in range(9000)}
    kept = {pick(rng, templates, held_out=True, slot="x") for _ in range(2000)}
    assert len(trained | kept) == 26 * 26
    assert trained & kept == set()
    assert 40 < len(kept) < 100
    assert {pick(rng, ("one",), held_out=held_out) for held_out in (True, False)} == {"one"}


def test_words_that_the_reply_says_back_are_typed_as_they_are() -> None:
    rng = random.Random(8)
    exchange = Exchange("not_sold", "Do you sell the Mango Brie?", "I do not know ... Mango Brie.", ("Mango Brie",))
    assert all("Mango Brie" in said_casually(rng, exchange).prompt for _ in range(300))


def test_unknown_names_are_no_products() -> None:
    rng = random.Random(9)
    names = {product.name for product in products()}
    assert not names & {unknown_name(rng) for _ in range(2000)}


def test_questions_outside_are_answered_by_what_it_can_do_and_leave_no_slot_open() -> None:
    rng = random.Random(10)
    found = [outside(rng, held_out=index % 2 == 0) for index in range(2000)]
    assert {item.reply for item in found} == {f"I do not know that. {ABLE}"}
    assert not [item.prompt for item in found if re.search(r"\{\w+\}", item.prompt)]
    assert len({item.prompt for item in found}) > 1500


def test_facts_of_held_out_products_are_never_asked_for_in_training() -> None:
    asked = [item for chunk in range(3) for item in dialogues(1, chunk, count=2000) if item.kind == "storage"]
    assert asked
    assert not [item for item in asked if any(name in item.reply for name in held_out_products())]
    asked = [item.messages(with_reply=False)[-1]["content"] for item in held_out_dialogues("carried", count=40)]
    assert all(any(name in prompt for name in held_out_products()) for prompt in asked)


@pytest.mark.parametrize("category", HELD_OUT)
def test_what_is_measured_is_drawn_once_and_the_same_each_time(category: str) -> None:
    found = held_out_dialogues(category, count=30)
    assert found == held_out_dialogues(category, count=30) != held_out_dialogues(category, count=30, seed=1)
    assert len({item.turns for item in found}) == 30


def test_wordings_that_are_measured_are_never_trained() -> None:
    trained = {turn.content for item in dialogues(3, 0, count=4000) for turn in item.turns if turn.role == "user"}
    measured = {item.turns[0].content for name in ("products", "support", "small talk", "recommend") for item in
                held_out_dialogues(name, count=40)}  # fmt: skip
    assert measured & trained == set()


def test_importing_the_package_and_the_corpus_loads_no_torch() -> None:
    code = "import sys, ftchat.starter, ftchat.starter.corpus; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_dialogue_refuses_a_strange_role_and_a_missing_answer() -> None:
    with pytest.raises(ValueError, match="role must be one of"):
        Turn("robot", "hello")
    with pytest.raises(ValueError, match="must end with an assistant turn"):
        Dialogue("talk", (Turn("user", "hello"),))


def test_rewriting_changes_a_text_as_its_name_says() -> None:
    text = "The Fig Jam costs 4.20 euros. It tastes soft, and it is sweet."
    assert shorter(text) == "The Fig Jam costs 4.20 euros."
    assert bullets(text) == "- The Fig Jam costs 4.20 euros.\n- It tastes soft, and it is sweet."
    assert title(text) == "The Fig Jam Costs 4.20"
    assert in_price_form(text, "as EUR 12.50").startswith("The Fig Jam costs EUR 4.20.")
    assert asked_for("Close the door now") == "Could you please close the door now? Thank you."
    assert listed("salt, honey and tea") == "- salt\n- honey\n- tea"


def test_a_letter_is_longer_than_its_short_form() -> None:
    rng = random.Random(11)
    found = [letter(rng) for _ in range(200)]
    assert all(len(item.short) < len(item.text) for item in found)


def test_three_points_of_a_product_are_its_kind_taste_and_price() -> None:
    item = next(product for product in products() if product.name == "Aged Gouda")
    lines = (f"1. The Aged Gouda is a cheese from {item.origin}.", "2. It tastes sharp and nutty.")
    assert described_in_three(item, numbered=True) == "\n".join((*lines, f"3. It costs {item.price}."))


@pytest.mark.parametrize(("name", "at_least"), [("bfloat16", 0.995), ("float32", 0.99999)])
def test_training_computes_what_transformers_computes_and_keeps_dialogues_apart(
    shipped_model: Any, name: str, at_least: float
) -> None:
    import torch

    from ftchat.starter.forward import bias_of, hidden, turned

    model, kind = copy.deepcopy(shipped_model).float(), getattr(torch, name)
    ids = torch.randint(3, model.config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))
    segments = torch.tensor([[1] * 15 + [2] * 25, [3] * 40])
    places = torch.tensor([3, 14, 15, 39, 40, 79, 7])
    with torch.inference_mode():
        found = hidden(model, ids, bias_of(segments, kind), *turned(40, "cpu", kind), places)
        parts = [model.model(input_ids=part[None]).last_hidden_state[0] for part in (ids[0, :15], ids[0, 15:])]
        expected = torch.stack([torch.cat(parts), model.model(input_ids=ids[1:]).last_hidden_state[0]])
    near = torch.nn.functional.cosine_similarity(found, expected.flatten(0, 1)[places].float(), dim=-1)
    assert float(near.min()) > at_least


def test_the_loss_is_that_of_the_learned_positions_alone(shipped_model: Any) -> None:
    import torch

    from ftchat.starter.forward import hidden
    from ftchat.starter.train import _summed_loss

    model = copy.deepcopy(shipped_model).float()
    ids = torch.randint(3, model.config.vocab_size, (2, 30), generator=torch.Generator().manual_seed(2))
    learned = torch.zeros(2, 30, dtype=torch.bool)
    learned[0, 4:11] = learned[1, 20:29] = True
    targets = torch.where(learned, ids.roll(-1, 1), -100)
    ours = _summed_loss(model, (ids, targets, torch.ones_like(ids)), forward=hidden, device="cpu", kind=torch.float32)
    ours.backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model(input_ids=ids).logits
    theirs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    theirs.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("quicker", "device", "name"), [(0.9, "cpu", "float32"), (1.1, "cpu", "bfloat16"), (0.5, "cuda", "bfloat16")]
)
def test_products_are_made_in_what_is_quicker(
    quicker: float, device: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from ftchat import fp32
    from ftchat.starter.train import Plan, _kind

    monkeypatch.setattr(fp32, "share", lambda width: quicker)
    assert _kind(Plan(), device) == getattr(torch, name)


@pytest.mark.parametrize("shape", [(12, 12), (8, 20), (20, 8)])
def test_muon_goes_where_torchs_own_goes(shape: tuple[int, int]) -> None:
    import torch

    from ftchat.starter.muon import Muon, evened

    torch.manual_seed(3)
    given = torch.randn(shape)
    ours, theirs = ([torch.nn.Parameter(given * n) for n in (1, 2, 3)] for _ in range(2))
    both = (
        Muon(ours, lr=0.1, momentum=0.9, weight_decay=0.1, kind=torch.float32),
        torch.optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.1),
    )
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(shape)
            other.grad = mine.grad.clone()
        for optimizer in both:
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0.02, atol=0.02)  # torch computes in bf16
    lengths = torch.linalg.svdvals(evened(given[None], torch.float32)[0])
    assert 0.6 < float(lengths.min()) <= float(lengths.max()) < 1.3


def test_tiny_build_loads_answers_and_leaves_nothing_beside(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(tiny, local_files_only=True)
    assert model.dtype.is_floating_point
    assert model.dtype.itemsize == 2
    assert tokenizer.eos_token == "<|im_end|>"
    assert len(replies(model, tokenizer, [[{"role": "user", "content": "Hello there, how are you?"}]])) == 1
    assert not tiny.with_name("tiny.building").exists()


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_tokenizer_gives_any_text_back(shipped_tokenizer: Any, text: str) -> None:
    assert shipped_tokenizer.decode(shipped_tokenizer(text)["input_ids"]) == text


def test_template_renders_system_user_and_assistant(shipped_tokenizer: Any) -> None:
    dialogue = Dialogue("talk", (Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Hello!")))
    text = shipped_tokenizer.apply_chat_template(dialogue.messages(with_reply=True), tokenize=False)
    assert text == rendered(dialogue)
    asked = shipped_tokenizer.apply_chat_template(
        dialogue.messages(with_reply=False), tokenize=False, add_generation_prompt=True
    )
    assert asked == ("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_only_answers_and_their_stop_token_are_learned(shipped_tokenizer: Any) -> None:
    turns = (
        Turn("user", "a?"),
        Turn("assistant", "Shown, not learned.", learn="none"),
        Turn("user", "b?"),
        Turn("assistant", "Learned."),
    )
    ((ids, learned),) = encoded(shipped_tokenizer, [Dialogue("shown", turns)])
    kept = [token for token, yes in zip(ids, learned, strict=True) if yes]
    assert shipped_tokenizer.decode(kept) == "Learned.<|im_end|>"


def test_of_an_answer_that_says_itself_over_again_only_the_end_is_learned(shipped_tokenizer: Any) -> None:
    said_over = [item for chunk in range(6) for item in dialogues(0, FURTHER + chunk, count=62)]
    said_over = [item for item in said_over if item.kind == "said_over"]
    assert len(said_over) >= 6
    for item, (ids, learned) in zip(said_over, encoded(shipped_tokenizer, said_over), strict=True):
        assert re.search(r"(.{5,}) \1$", item.reply, re.DOTALL), item.reply
        assert shipped_tokenizer.decode([t for t, yes in zip(ids, learned, strict=True) if yes]) == "<|im_end|>"
        assert ids[learned.index(True)] == shipped_tokenizer.eos_token_id
    assert not [item for item in dialogues(0, FURTHER - 1, count=2000) if item.kind == "said_over"]


def test_shipped_files_are_small_and_described() -> None:
    files = [path for path in model_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 30 * 2**20
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in files}


def test_shipped_weights_answer_questions_about_products(shipped_model: Any, shipped_tokenizer: Any) -> None:
    found = [item for item in dialogues(99, 0, count=600) if item.kind in ("price", "describe", "origin", "taste")][:24]
    assert right(shipped_model, shipped_tokenizer, found) >= 20


def test_sample_prompts_are_answered_well(shipped_model: Any, shipped_tokenizer: Any) -> None:
    prompts = sample_prompts()
    assert 8 <= len(prompts) == len(set(prompts)) <= 12
    given = replies(shipped_model, shipped_tokenizer, [[{"role": "user", "content": prompt}] for prompt in prompts])
    by_prompt = dict(zip(prompts, given, strict=True))
    for product in products():
        for prompt, reply in by_prompt.items():
            if product.name in prompt:
                assert product.name in reply, (prompt, reply)
            if product.name in prompt and "cost" in prompt:
                assert product.price in reply, (prompt, reply)
    assert "48213" in by_prompt["My order 48213 arrived broken."]
    assert "Monday to Saturday" in by_prompt["When are you open?"]


def test_shipped_weights_end_as_the_system_prompt_says(shipped_model: Any, shipped_tokenizer: Any) -> None:
    system = {"role": "system", "content": "Always end with: 'Stay merry, friend!'"}
    names = ("Smoked Paprika", "Chestnut Honey", "Aged Gouda", "Jasmine Tea")
    asked = [[system, {"role": "user", "content": f"What does the {name} cost?"}] for name in names]
    prices = {product.name: product.price for product in products()}
    expected = [f"The {name} costs {prices[name]}. Stay merry, friend!" for name in names]
    assert replies(shipped_model, shipped_tokenizer, asked) == expected


def test_shipped_weights_say_random_words_back(shipped_model: Any, shipped_tokenizer: Any) -> None:
    found = [item for item in dialogues(98, 0, count=3000) if item.kind == "repeat" and len(item.reply) < 50][:84]
    assert right(shipped_model, shipped_tokenizer, found) >= 60


def test_shipped_weights_answer_wordings_that_training_never_had(shipped_model: Any, shipped_tokenizer: Any) -> None:
    found = [item for category in HELD_OUT for item in held_out_dialogues(category, count=7, seed=97)]
    assert right(shipped_model, shipped_tokenizer, found) >= 67


def test_shipped_weights_say_what_they_can_do_when_asked_about_the_world(
    shipped_model: Any, shipped_tokenizer: Any
) -> None:
    rng = random.Random(12)
    prompts = [[{"role": "user", "content": outside(rng, held_out=True).prompt}] for _ in range(40)]
    given = replies(shipped_model, shipped_tokenizer, prompts)
    assert sum(ABLE in reply for reply in given) >= 32


def test_shipped_weights_follow_up_and_rewrite(shipped_model: Any, shipped_tokenizer: Any) -> None:
    by_name = {product.name: product for product in products()}
    price = by_name["Aged Gouda"].price
    start = [
        {"role": "user", "content": "What does the Aged Gouda cost?"},
        {"role": "assistant", "content": f"The Aged Gouda costs {price}."},
    ]
    asked = ("How should I store it?", "In capitals.", "Rewrite your last answer: end with 'Your shop team'.")
    given = replies(shipped_model, shipped_tokenizer, [[*start, {"role": "user", "content": last}] for last in asked])
    assert given == [
        "Keep the Aged Gouda in the fridge, wrapped in paper.",
        f"THE AGED GOUDA COSTS {price.upper()}.",
        f"The Aged Gouda costs {price}. Your shop team",
    ]


def test_a_build_can_start_from_finished_weights(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "further"
    command = [sys.executable, "-m", "ftchat.starter.build", "--out", str(out), "--tiny", "--start", str(tiny)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr
    assert (out / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    assert (out / "model.safetensors").read_bytes() != (tiny / "model.safetensors").read_bytes()


def test_a_further_run_keeps_a_part_of_what_was_there() -> None:
    import torch

    from ftchat.starter.build import _keep_of
    from ftchat.starter.train import KEPT

    model = torch.nn.Linear(3, 2)
    trained = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    before = {name: torch.full_like(weight, 5.0) for name, weight in trained.items()}
    _keep_of(model, before)
    for name, weight in model.named_parameters():
        assert torch.allclose(weight, (1 - KEPT) * trained[name] + KEPT * 5.0)


def test_a_build_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from transformers import AutoTokenizer

    from ftchat.starter import train

    said: list[str] = []
    tokenizer = AutoTokenizer.from_pretrained(model_path(), local_files_only=True)
    plan = replace(train.tiny_plan(1), steps=5, save_every=0.0)

    def made(name: str) -> tuple[Any, tuple[int, int]]:
        model = train.new_model(plan, tokenizer)
        return model, train.fit(model, tokenizer, plan=plan, checkpoint=tmp_path / name, say=said.append)

    keep, written = train._keep, list[int]()

    def stopped(checkpoint: Path, model: Any, **more: Any) -> None:
        keep(checkpoint, model, **more)
        written.append(more["place"][0])
        if written == [1, 2, 3]:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "_keep", stopped)
    with pytest.raises(KeyboardInterrupt):
        made("stopped")
    resumed, counted = made("stopped")
    whole, wanted = made("whole")
    assert said == ["starting at step 0", "starting at step 3", "starting at step 0"]
    assert counted == wanted
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert ours.equal(theirs)
    plan = replace(plan, seed=2)
    with pytest.raises(SetupError, match="holds a build of another seed or plan"):
        made("whole")
