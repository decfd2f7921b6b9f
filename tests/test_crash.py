"""An app that is killed while people vote: what they were told was saved is there, once."""

from pathlib import Path

from bench.crash import crash


def test_votes_that_were_acknowledged_survive_five_kills(tmp_path: Path) -> None:
    found = crash(tmp_path, rounds=5, acks_a_round=40, seed=7)
    assert {name: found[name] for name in ("rounds", "acked_lost", "duplicates", "half_written", "wrong_answers")} == {
        "rounds": 5,
        "acked_lost": 0,
        "duplicates": 0,
        "half_written": 0,
        "wrong_answers": 0,
    }
    assert found["acked"] >= 200
    assert found["stored"] == found["acked"]
    assert found["sent_again"] > 0
