"""One place renders: the same bytes in serving, training and exam; what does not fit is cut or refused with numbers."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
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


def template(folder: Path, jinja: str | None) -> Prompter:
    """A base whose tokenizer has this chat template."""
    tokenizer = Tokenizer(models.WordLevel({"x": 0, "[U]": 1, "<eos>": 2}, unk_token="[U]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[U]", eos_token="<eos>")
    fast.chat_template = jinja
    fast.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama", "text_config": {"max_position_embeddings": 64}}')
    return Prompter(folder)


def test_a_template_that_refuses_a_conversation_is_quoted(tmp_path: Path) -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    with pytest.raises(BadInput, match="no system role"):
        template(tmp_path, strict).render([Message("system", "a"), Message("user", "b")])


def test_a_base_without_a_template_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="instruct or chat variant"):
        template(tmp_path, None).render([Message("user", "b")])


def test_the_context_of_a_nested_configuration_is_found(tmp_path: Path) -> None:
    assert template(tmp_path, "x").context_length == 64
