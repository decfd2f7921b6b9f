"""The starter model: its corpus, its tokenizer, its build at a tiny size, and the shipped weights."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftchat.starter import model_path, sample_prompts
from ftchat.starter.corpus import dialogues, held_out_dialogues
from ftchat.starter.dialogue import Dialogue, Turn
from ftchat.starter.rewriting import bullets, in_price_form, shorter, title
from ftchat.starter.shop import held_out_products, products
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
    assert json.loads(finished.stdout.splitlines()[-1])["steps"] == 3
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

    found = []
    for messages in prompts:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=96)
        found.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    return found


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
    assert len({rendered(dialogue) for dialogue in found}) > 2800
    assert len({dialogue.kind for dialogue in found}) >= 25
    assert any(dialogue.turns[0].role == "system" for dialogue in found)
    assert any(len(dialogue.turns) >= 8 for dialogue in found)


def test_facts_of_held_out_products_are_never_asked_for_in_training() -> None:
    asked = [item for chunk in range(3) for item in dialogues(1, chunk, count=2000) if item.kind == "storage"]
    assert asked
    assert not [item for item in asked if any(name in item.reply for name in held_out_products())]
    assert any(item.kind == "carried" for item in held_out_dialogues(0, count=40))


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
        Turn("assistant", "Shown, not learned.", learn=False),
        Turn("user", "b?"),
        Turn("assistant", "Learned."),
    )
    ((ids, learned),) = encoded(shipped_tokenizer, [Dialogue("shown", turns)])
    kept = [token for token, yes in zip(ids, learned, strict=True) if yes]
    assert shipped_tokenizer.decode(kept) == "Learned.<|im_end|>"


def test_shipped_files_are_small_and_described() -> None:
    files = [path for path in model_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 30 * 2**20
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in files}


def test_shipped_weights_answer_questions_about_products(shipped_model: Any, shipped_tokenizer: Any) -> None:
    found = [item for item in dialogues(99, 0, count=600) if item.kind in ("price", "describe", "origin", "taste")][:24]
    given = replies(shipped_model, shipped_tokenizer, [item.messages(with_reply=False) for item in found])
    right = sum(item.is_answered_by(reply) for item, reply in zip(found, given, strict=True))
    assert right >= 20


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


def test_shipped_weights_say_random_words_back_more_often_than_not(shipped_model: Any, shipped_tokenizer: Any) -> None:
    found = [item for item in dialogues(98, 0, count=400) if item.kind == "repeat" and len(item.reply) < 50][:14]
    given = replies(shipped_model, shipped_tokenizer, [item.messages(with_reply=False) for item in found])
    assert sum(item.is_answered_by(reply) for item, reply in zip(found, given, strict=True)) > len(found) / 2
