"""Records and settings refuse nonsense, by name."""

import time
from pathlib import Path

import pytest

import ftchat.ids
from ftchat.config import Settings, TrainArgs, load_settings, train_args
from ftchat.errors import BadInput, SetupError
from ftchat.records import Message, Params, clean_text, group_key, ids_after, new_id


def test_ids_have_their_prefix_and_sort_by_time() -> None:
    ids = [new_id("t") for _ in range(200)]
    assert all(i.startswith("t_") and len(i) == 22 for i in ids)
    assert len(set(ids)) == 200
    assert ids == sorted(ids)


def test_ids_go_on_sorting_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_id("t")
    at = time.time_ns()
    monkeypatch.setattr(ftchat.ids.time, "time_ns", lambda: at - 5_000_000_000)
    made = [before, *(new_id("t") for _ in range(200))]
    assert made == sorted(made)
    assert len(set(made)) == 201


@pytest.mark.parametrize("strange", ["", "t_1", "v_" + "z" * 20, "v_" + "!" * 20, "v_" + "u" * 20])
def test_an_id_that_is_none_of_ours_moves_no_clock(strange: str) -> None:
    before = new_id("t")
    ids_after(strange)
    assert before < new_id("t") < f"t_{'1' * 20}"


@pytest.mark.parametrize(
    ("given", "message"),
    [(None, "must be a text"), ("  \n", "is empty"), ("x" * 100_001, "100,001 characters"), (7, "must be a text")],
)
def test_a_text_that_cannot_be_kept_is_refused_with_its_reason(given: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        clean_text(given, what="The prompt")


def test_lone_surrogates_and_nul_are_replaced_and_all_else_is_kept() -> None:
    assert clean_text("a\ud800b\x00 \U0001f9c0\u202e", what="x") == "a?b\ufffd \U0001f9c0\u202e"


def test_a_first_message_of_end_marks_alone_is_a_group_too() -> None:
    assert group_key("Was kostet der Ka\u0308se?") == group_key("was kostet der K\u00e4se")
    assert [group_key(said) for said in ("?", " ... ", "! ?")] == ["?", "...", "! ?"]


def test_a_group_is_the_same_first_message_but_for_case_spacing_and_end_marks() -> None:
    assert group_key("  What does\nit COST? ") == group_key("what does it cost") != group_key("what did it cost")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Params(temperature=2.5),
        lambda: Params(top_p=0.0),
        lambda: Params(max_tokens=0),
        lambda: Params(stop=("",)),
        lambda: Message("tool", "x"),  # type: ignore[arg-type]
        lambda: TrainArgs(effort="heroic"),  # type: ignore[arg-type]
        lambda: TrainArgs(learning_rate=1.0),
        lambda: train_args({"lr": 1}),
    ],
)
def test_values_out_of_bounds_are_refused(make: object) -> None:
    with pytest.raises(BadInput):
        make()  # type: ignore[operator]


def test_settings_come_from_file_then_environment_then_flags(tmp_path: Path) -> None:
    (tmp_path / "ftchat.toml").write_text('name = "shop"\nport = 1000\nmax_tokens = 10\n')
    environ = {"FTCHAT_PORT": "2000", "FTCHAT_ENGINE_URL": "http://a:1/, http://b:2"}
    settings = load_settings({"home": str(tmp_path), "max_tokens": "20", "open": None}, environ)
    assert (settings.name, settings.port, settings.max_tokens, settings.open) == ("shop", 2000, 20, False)
    assert settings.engine_url == ("http://a:1", "http://b:2")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"name": "My Shop"}, "name is 'My Shop'"),
        ({"port": "x"}, "port is 'x': expected int"),
        ({"temperature": 3}, "temperature is 3"),
        ({"open": "yes", "host": "0.0.0.0"}, "without a login"),
        ({"max_loras": 10, "max_cpu_loras": 4}, "max_cpu_loras"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(tmp_path: Path, flags: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        load_settings({"home": str(tmp_path), **flags}, {})


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ftchat.toml").write_text("colour = 1\n")
    with pytest.raises(SetupError, match="does not know: colour"):
        load_settings({"home": str(tmp_path)}, {})


def test_a_file_does_not_say_in_which_home_it_lies(tmp_path: Path) -> None:
    (tmp_path / "ftchat.toml").write_text('home = "elsewhere"\n')
    with pytest.raises(SetupError, match="Leave home out there"):
        load_settings({"home": str(tmp_path)}, {})


def test_the_defaults_are_allowed() -> None:
    assert Settings().port == 7860
