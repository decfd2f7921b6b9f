"""Reasoning kept apart from the reply: however the text is cut, in the stream, and in what is stored."""

import random
from pathlib import Path

import httpx
import pytest
from room import ANN, Room
from test_engine import ASK, HERE, collect, queue, sse

from ftchat.engine import Engine, Piece
from ftchat.engine.thoughts import Thoughts


def split(*pieces: str) -> tuple[str, str]:
    thoughts = Thoughts()
    found = [*(thoughts.feed(piece) for piece in pieces), thoughts.end()]
    return "".join(reasoning for reasoning, _ in found), "".join(text for _, text in found)


CASES = [
    ("The answer.", "", "The answer."),
    ("  The answer.", "", "  The answer."),
    ("<think>Hm.\nYes.</think>\n\nThe answer.", "Hm.\nYes.", "The answer."),
    ("\n<think>\n\n</think>\n\nThe answer.", "\n\n", "The answer."),
    ("</think>\n\nThe answer.", "", "The answer."),
    ("<think>Cut in the mid", "Cut in the mid", ""),
    ("<think>a </thin b</think>c", "a </thin b", "c"),
    ("<think>a</think>", "a", ""),
    ("<thinking aloud>", "", "<thinking aloud>"),
    ("Use <think>x</think> like this.", "", "Use <think>x</think> like this."),
    ("<think>a</think>b</think><think>", "a", "b</think><think>"),
    ("<", "", "<"),
    ("", "", ""),
    ("<think>a</th", "a</th", ""),
]


@pytest.mark.parametrize(("said", "reasoning", "text"), CASES)
def test_thoughts_before_the_answer_are_reasoning_however_they_are_cut(said: str, reasoning: str, text: str) -> None:
    assert split(said) == (reasoning, text)
    assert split(*said) == (reasoning, text)
    chance = random.Random(said)
    for _ in range(50):
        cuts = sorted(chance.sample(range(len(said) + 1), min(3, len(said))))
        ends = [*cuts, len(said)]
        assert split(*(said[a:b] for a, b in zip([0, *cuts], ends, strict=True))) == (reasoning, text)


def test_text_is_not_held_back_once_the_answer_began() -> None:
    thoughts = Thoughts()
    assert thoughts.feed("Yes <") == ("", "Yes <")
    assert thoughts.feed("/think") == ("", "/think")


async def test_a_stream_of_a_base_that_thinks_has_both_apart_and_of_another_is_left_as_it_is() -> None:
    said = ("<th", "ink>Hm.", "</think>\n", "\nYes", ".")
    for thinks, wanted in (
        (True, [("Hm.", "Yes.")]),
        (False, [("", "".join(said))]),
    ):
        engine = Engine([HERE], transport=httpx.MockTransport(queue(sse(*said))), thinks=lambda on=thinks: on)
        *pieces, last = await collect(engine.stream(ASK))
        assert [(piece.reasoning, piece.text) for piece in pieces] == wanted
        assert last == Piece("", "stop", 3, 5)
        engine = Engine([HERE], transport=httpx.MockTransport(queue(sse(*said))), thinks=lambda on=thinks: on)
        assert await engine.answer(ASK) == ("Yes." if thinks else "".join(said), "stop")


async def test_reasoning_is_stored_apart_and_never_goes_back_into_a_prompt(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.engine._thinks = lambda: True
    room.vllm.answers["base"] = "<think>They want cheese.</think> Brie costs 4."
    turn = await room.chat.ask(ANN, "What does the brie cost?", mode="chat")
    await room.done(turn)
    kept = room.store.turns.get(turn).replies[0]
    assert (kept.text, kept.reasoning, kept.finish) == ("Brie costs 4.", "They want cheese.", "stop")
    after = await room.chat.ask(ANN, "And the gouda?", mode="chat", after=turn)
    await room.done(after)
    prompt = room.prompter.decode(room.vllm.bodies[-1]["prompt"])
    assert "Brie costs 4." in prompt
    assert "They want cheese" not in prompt
    await room.close()
