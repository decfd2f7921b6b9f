"""What bench.loop makes of what it saw: whose an answer is, and how long a stream was silent in a swap."""

import pytest

from bench.swapping.api import Api
from bench.swapping.swaps import Reply, Streams, _whose, attributed

ALONE = {"shop-v1": "Red apples are sweet.", "shop-v2": "Blue cheese is strong.", "shop-v3": "Red apples are sour."}


def reply(text: str, contestant: str, *, asked_of: int = 0, finish: str = "stop") -> Reply:
    return Reply("How is it?", asked_of, 0.0, text=text, finish=finish, turn="t_1", contestant=contestant)


@pytest.mark.parametrize(
    ("text", "contestant", "whose"),
    [
        ("Red apples are sweet. And round.", "shop-v1", "own"),
        ("Blue cheese is mild.", "shop-v2", "own"),  # a late token may differ
        ("Blue cheese is strong.", "shop-v1", "another"),
        ("Red apples", "shop-v1", "both"),
    ],
)
def test_an_answer_is_his_who_says_most_of_it_alone(text: str, contestant: str, whose: str) -> None:
    assert _whose(reply(text, contestant), ALONE) == whose


class Recorded(Api):
    """The app's record of who answered, and what each adapter says when it is asked alone."""

    def __init__(self, contestant: str) -> None:
        self._contestant = contestant
        self.client = self

    async def get(self, path: str) -> dict:
        return {"lanes": [{"contestant": self._contestant}]}

    async def post(self, path: str, **sent: dict) -> "Recorded":
        self._said = ALONE[sent["json"]["model"]]
        return self

    def json(self) -> dict:
        return {"choices": [{"message": {"content": self._said}}]}


@pytest.mark.parametrize(
    ("seen", "recorded", "figures"),
    [
        (reply("Blue cheese is strong.", ""), "shop-v2", (0, 0, 0)),
        (reply("Blue cheese is strong.", ""), "shop-v3", (0, 1, 0)),
        (reply("Blue cheese is strong.", "", asked_of=2), "shop-v2", (0, 1, 1)),
        (reply("Blue cheese", "", finish="error"), "shop-v2", (1, 0, 0)),
    ],
)
async def test_what_failed_and_what_is_anothers_is_counted(
    seen: Reply, recorded: str, figures: tuple[int, int, int]
) -> None:
    found = await attributed(Recorded(recorded), [seen], [*ALONE])
    assert (found["failed"], found["misattributed"], found["of_an_old_champion"]) == figures


def test_a_stream_is_silent_for_the_longest_time_within_one_answer() -> None:
    streams = Streams(None)  # type: ignore[arg-type]
    one = reply("", "")
    one.came = [1.0, 1.1, 1.6, 1.7, 9.0]
    streams.replies[3] = [one]
    assert streams.silences(1.2, 1.5) == pytest.approx([500.0])
    assert streams.silences(1.62, 1.65) == pytest.approx([100.0])
    assert streams.silences(20.0, 21.0) == []


def test_a_stream_waits_longest_for_the_first_text_of_what_was_asked_by_then() -> None:
    streams = Streams(None)  # type: ignore[arg-type]
    early, late, silent = reply("", ""), reply("", ""), reply("", "")
    early.began, early.came = 1.0, [1.4, 1.5]
    late.began, late.came = 2.0, [2.1]
    silent.began = 2.5
    streams.replies[3] = [early, late, silent]
    assert streams.firsts(1.2, 2.2) == pytest.approx([400.0])
    assert streams.firsts(1.5, 2.2) == pytest.approx([100.0])
    assert streams.firsts(2.2, 3.0) == []
