"""One place renders: the same bytes in serving, training and exam; what does not fit is cut or refused with numbers."""

import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from ftchat.errors import BadInput, SetupError, TooLong
from ftchat.prompt import Prompter
from ftchat.records import Message


@pytest.fixture(scope="module")
def prompter(starter_path: Path) -> Prompter:
    return Prompter(starter_path)


def test_an_answer_follows_its_prompt_and_ends_with_the_templates_own_stop(prompter: Prompter) -> None:
    asked = [Message("system", "Be brief."), Message("user", "Hello?")]
    ids, start = prompter.render_answer(asked, "Hi, Zoë 🧀!")
    assert ids[:start] == prompter.render(asked)
    assert prompter.decode(ids[start:]) == "Hi, Zoë 🧀!<|im_end|>"
    assert ids[-1] == prompter.stop_id


def test_the_oldest_turns_are_left_out_and_the_system_message_stays(prompter: Prompter) -> None:
    turns = [Message("user", "word " * 300), Message("assistant", "word " * 300)] * 4
    ids, dropped = prompter.fit([Message("system", "Be brief."), *turns, Message("user", "last")], room=200)
    assert len(ids) + 200 <= prompter.context_length
    assert dropped in (1, 2, 3)
    more = [Message("system", "Be brief."), *turns[2 * dropped - 2 :], Message("user", "last")]
    assert prompter.count(more) + 200 > prompter.context_length  # not one turn too many
    text = prompter.decode(ids)
    assert "Be brief." in text
    assert text.count("last") == 1


def test_a_history_that_begins_with_an_answer_shrinks_to_the_last_question(prompter: Prompter) -> None:
    said = [Message("assistant", "word " * 1500), Message("user", "word " * 1500)]
    said += [Message("assistant", "word " * 1500), Message("user", "last")]
    ids, dropped = prompter.fit(said, room=100)
    assert dropped == 2
    assert prompter.decode(ids).count("word") == 0
    assert "last" in prompter.decode(ids)


def test_what_is_to_be_kept_stays_while_older_turns_go(prompter: Prompter) -> None:
    shown = [Message("user", "example"), Message("assistant", "of an answer")]
    turns = [Message("user", "word " * 600), Message("assistant", "word " * 600)] * 3
    ids, dropped = prompter.fit([*shown, *turns, Message("user", "last")], room=200, keep=2)
    assert dropped == 2
    assert "of an answer" in prompter.decode(ids)
    with pytest.raises(TooLong):
        prompter.fit([*turns, *shown, Message("user", "last")], room=200, keep=6)


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(prompter: Prompter) -> None:
    with pytest.raises(
        TooLong, match=r"This prompt has 3,\d+ tokens; the model takes at most 2,048 with room for an answer"
    ):
        prompter.fit([Message("user", "word " * 3000)], room=100)


def template(
    folder: Path, jinja: str | None, *, eos: str | None = "<eos>", bos: str | None = None, adds: bool = False
) -> Prompter:
    """A base whose tokenizer has this chat template; one that `adds` puts its `bos` before every text by itself."""
    tokenizer = Tokenizer(models.WordLevel({"x": 0, "[U]": 1, "<eos>": 2, "<bos>": 3}, unk_token="[U]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if adds:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(str(bos), 3)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[U]", eos_token=eos, bos_token=bos)
    fast.chat_template = jinja
    fast.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama", "text_config": {"max_position_embeddings": 64}}')
    return Prompter(folder)


CHAT = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[A]{% endif %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHAT
DROPS_SYSTEM = CHAT.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
TALK = [Message("system", "x 1"), Message("user", "x 2"), Message("assistant", "x 3"), Message("user", "x 4")]


def written(prompter: Prompter, messages: list[Message]) -> str:
    return prompter._text(messages, answer_follows=True)


def test_a_template_that_refuses_a_conversation_is_quoted(tmp_path: Path) -> None:
    strict = "{% if messages | length > 1 %}{{ raise_exception('one at a time') }}{% endif %}x"
    with pytest.raises(BadInput, match="one at a time"):
        template(tmp_path, strict).render([Message("user", "a"), Message("user", "b")])


@pytest.mark.parametrize("jinja", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_system_message_that_a_template_does_not_take_goes_before_the_first_question(
    tmp_path: Path, jinja: str
) -> None:
    prompter = template(tmp_path, jinja)
    assert written(prompter, TALK) == "[user]x 1\n\nx 2[assistant]x 3[user]x 4[A]"
    assert written(prompter, TALK[1:]) == "[user]x 2[assistant]x 3[user]x 4[A]"
    assert written(prompter, [TALK[0], TALK[2], TALK[3]]) == "[user]x 1[assistant]x 3[user]x 4[A]"
    (remark,) = prompter.remarks
    assert "takes no system message" in remark


def test_a_usual_template_is_taken_as_it_is(tmp_path: Path) -> None:
    prompter = template(tmp_path, CHAT)
    assert written(prompter, TALK) == "[system]x 1[user]x 2[assistant]x 3[user]x 4[A]"
    assert (prompter.remarks, prompter.thinks) == ((), False)


def test_a_base_without_a_template_is_written_to_in_plain_text_and_that_is_said(tmp_path: Path) -> None:
    prompter = template(tmp_path, None)
    assert (
        written(prompter, TALK) == "Instructions: x 1\n\nQuestion: x 2\n\nAnswer: x 3<eos>\n\nQuestion: x 4\n\nAnswer:"
    )
    (remark,) = prompter.remarks
    assert "no chat template" in remark
    assert "instruct or chat variant" in remark
    assert prompter.decode([prompter.stop_id]) == "<eos>"
    ids, start = prompter.render_answer([Message("user", "x")], "x")
    assert prompter.decode(ids[start:]).split() == ["x", "<eos>"]


@pytest.mark.parametrize(
    ("bos", "adds", "begins"), [("<bos>", True, "<bos>"), ("<bos>", False, ""), ("<eos>", False, ""), (None, False, "")]
)
def test_plain_text_begins_as_the_bases_own_tokenizer_begins_a_text(
    tmp_path: Path, bos: str | None, adds: bool, begins: str
) -> None:
    prompter = template(tmp_path, None, bos=bos, adds=adds)
    assert written(prompter, TALK[1:2]) == f"{begins}Question: x 2\n\nAnswer:"
    assert prompter.decode(prompter.render(TALK[1:2])).count("<bos>") == bool(begins)
    assert prompter.decode([prompter.stop_id]) == "<eos>"


def test_a_base_with_neither_a_template_nor_an_end_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no token that ends an answer: choose its instruct or chat variant"):
        template(tmp_path, None, eos=None).render([Message("user", "b")])


def test_a_thought_that_the_template_opens_is_closed_and_the_base_is_known_to_think(tmp_path: Path) -> None:
    opening = template(tmp_path / "r1", CHAT.replace("[A]", "[A]<think>\n"))
    assert written(opening, TALK[1:2]) == "[user]x 2[A]<think>\n\n</think>\n\n"
    assert opening.thinks
    switch = "[A]{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    switched = template(tmp_path / "q3", CHAT.replace("[A]", switch))
    assert written(switched, TALK[1:2]) == "[user]x 2[A]<think>\n\n</think>\n\n"
    assert switched.thinks


def test_the_context_of_a_nested_configuration_is_found(tmp_path: Path) -> None:
    assert template(tmp_path, "x").context_length == 64


def test_rendering_a_prompt_takes_no_torch() -> None:
    """It would cost the app 350 MB and its first answer three seconds."""
    asks = (
        "import sys; from ftchat import starter; from ftchat.prompt import Prompter; "
        "from ftchat.records import Message; "
        "Prompter(starter.model_path()).render([Message('user', 'x')]); print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False"]
