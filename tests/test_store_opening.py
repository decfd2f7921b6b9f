"""Opening a database: brought up to date after a verified backup, and refused with advice when it is damaged."""

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database
from test_store import BASE, ask, ask_many

from ftchat.errors import NewerSchema, StoreError
from ftchat.records import now
from ftchat.store import Store, copies
from ftchat.store.opening import known_steps
from ftchat.store.schema import migrations

STEPS = known_steps()


def old_database(path: Path, *, before: str) -> None:
    """A file as it was before a step of the schema, with feedback in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = Database(path)
    old.enable_wal()
    migrations.apply(old, stop_before=before)
    if before != STEPS[0]:
        for table, row in _OLD_ROWS:
            old.table(table).insert(row)
    old.close()


_AT = "2026-11-20T10:00:00.000+00:00"
_TURN = {
    "conversation": "c_00",
    "owner": "ann",
    "mode": "compare",
    "blind": 1,
    "params": '{"stop": []}',
    "created_at": _AT,
}
_REPLY = {"contestant": "base", "model": "base", "base": BASE, "text": "words", "finish": "stop"}
_VOTE = {"rater": "ann", "winner": "left", "blind": 1, "reasons": "{}", "comment": "", "created_at": _AT}
_THUMB = {"rater": "bob", "value": "up", "reasons": "[]", "comment": "", "created_at": _AT}
_OLD_ROWS: list[tuple[str, dict[str, object]]] = [
    ("bases", {"fingerprint": BASE, "name": "tiny", "first_seen_at": _AT}),
    ("conversations", {"id": "c_00", "owner": "ann", "title": "brie", "group_key": "brie", "created_at": _AT}),
    ("turns", {"id": "t_01", "parent": None, "prompt": "What does the brie cost?", **_TURN}),
    ("turns", {"id": "t_02", "parent": "t_01", "prompt": "And the gouda?", **_TURN}),
    ("replies", {"id": "r_01", "turn": "t_01", "lane": "left", **_REPLY}),
    ("replies", {"id": "r_02", "turn": "t_01", "lane": "right", **_REPLY}),
    ("replies", {"id": "r_03", "turn": "t_02", "lane": "left", **_REPLY}),
    ("replies", {"id": "r_04", "turn": "t_02", "lane": "right", **_REPLY}),
    ("votes", {"id": "v_03", "turn": "t_01", **_VOTE}),
    ("votes", {"id": "v_04", "turn": "t_02", **_VOTE}),
    ("ratings", {"id": "g_05", "reply": "r_01", **_THUMB}),
    ("corrections", {"id": "k_06", "reply": "r_03", "rater": "ann", "text": "Six euros.", "created_at": _AT}),
    ("voids", {"target": "v_03", "by": "ann", "created_at": _AT}),
    ("reviews", {"target": "k_06", "status": "approved", "by": "cem", "created_at": _AT}),
    ("reviews", {"target": "k_06", "status": "rejected", "by": "cem", "created_at": _AT}),
    ("reviews", {"target": "g_05", "status": "approved", "by": "cem", "created_at": _AT}),
]


@pytest.mark.parametrize("before", STEPS[1:])
def test_a_file_from_before_any_step_opens_with_all_that_was_in_it(tmp_path: Path, before: str) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before=before)
    store = Store(path)
    assert [(f.id, f.status, f.rater) for f in store.feedback.all()] == [
        ("v_04", "pending", "ann"),
        ("g_05", "approved", "bob"),
        ("k_06", "rejected", "ann"),
    ]
    assert store.feedback.counts() == {"correction/rejected": 1, "rating/approved": 1, "vote/pending": 1}
    assert [row["name"] for row in store.rows("SELECT name FROM _sqlite_migrations ORDER BY id")] == STEPS


def test_before_the_searchable_steps_what_was_said_is_found_after_them(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m004_what_stands")
    store = Store(path)
    assert [f.id for f in store.feedback.page(search="six gouda", limit=5)[0]] == ["k_06"]
    assert [f.id for f in store.feedback.page(search="gouda", limit=5)[0]] == ["k_06", "v_04"]
    assert [c.id for c in store.turns.conversations("ann", search="euros", mode="compare", limit=5)] == ["c_00"]
    turn = ask(store, "brie again")
    assert [c.id for c in store.turns.conversations("ann", search="brie", limit=5)] == [turn.conversation, "c_00"]


def test_an_upgrade_leaves_a_verified_backup_of_what_was_there_named_by_its_step(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m003_find_corrections")
    Store(path).close()
    (backup,) = copies.listed(path.parent / "backups")
    assert backup.name.endswith("-before-m003_find_corrections.db")
    assert copies.steps_in(backup) == STEPS[:2]
    rows = copies.verified(backup)
    assert (rows["turns"], rows["votes"], rows["corrections"], rows["reviews"]) == (2, 2, 1, 3)
    Store(path).close()
    assert copies.listed(path.parent / "backups") == [backup]


def test_a_new_home_and_one_that_is_up_to_date_need_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    for _ in range(2):
        Store(path).close()
    assert not (path.parent / "backups").exists()


def test_without_room_for_a_backup_nothing_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m003_find_corrections")
    monkeypatch.setattr(copies, "ROOM", 1 << 60)
    with pytest.raises(StoreError, match="MB are free on its disk"):
        Store(path)
    assert copies.steps_in(path) == STEPS[:2]
    assert list((path.parent / "backups").iterdir()) == []


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m004_what_stands")
    meddled = sqlite3.connect(path)
    meddled.execute("CREATE TABLE tallies (x)")
    meddled.commit()
    meddled.close()
    with pytest.raises(StoreError, match=r"brought up to date: .*tallies.* Nothing was changed"):
        Store(path)
    assert copies.steps_in(path) == STEPS[:3]
    assert "standing" not in copies.verified(path)


def test_a_newer_schema_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m004_what_stands")
    newer = Database(path)
    row = {"migration_set": migrations.name, "name": "m999_from_the_future", "applied_at": now()}
    newer.table("_sqlite_migrations").insert(row)
    newer.close()
    with pytest.raises(NewerSchema, match="m999_from_the_future"):
        Store(path)
    assert copies.steps_in(path) == [*STEPS[:3], "m999_from_the_future"]
    assert not (path.parent / "backups").exists()


def damaged(path: Path, *, how: str) -> None:
    """Damage a closed database."""
    body = bytearray(path.read_bytes())
    match how:
        case "no database":
            body[:] = b"<html>" * 1000
        case "page":
            body[4096 * 3 : 4096 * 4] = b"\xff" * 4096
        case "cut":
            del body[len(body) // 2 :]
        case "empty":
            body.clear()
        case "gone":
            path.unlink()
            return
    path.write_bytes(body)


@pytest.mark.parametrize("how", ["no database", "page", "cut", "empty", "gone"])
def test_a_damaged_database_is_named_with_its_newest_backup_and_how_to_go_back(tmp_path: Path, how: str) -> None:
    path = tmp_path / "data" / "ftchat.db"
    store = Store(path)
    store.turns.add_base(BASE, "tiny")
    ask_many(store, 200)
    store.copy_to(store.backups / copies.name_for("hourly"))
    newest = store.copy_to(store.backups / copies.name_for("hourly")).path
    store.close()
    damaged(path, how=how)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StoreError) as refused:
        Store(path)
    says = "is gone" if how in ("empty", "gone") else "is damaged"
    assert says in refused.value.message
    assert f"ftchat restore {newest} --home {tmp_path}" in refused.value.message
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_damaged_database_without_a_backup_says_that_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ftchat.db"
    Store(path).close()
    damaged(path, how="no database")
    with pytest.raises(StoreError, match="no backup of it"):
        Store(path)


def test_a_place_that_cannot_be_written_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "ftchat.db").mkdir()
    with pytest.raises(StoreError, match="could not be opened"):
        Store(tmp_path / "ftchat.db")


def test_an_upgrade_that_fails_again_and_again_leaves_one_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "ftchat.db"
    old_database(path, before="m003_find_corrections")

    def broken(db: Database) -> None:
        db.execute("SELECT * FROM nowhere")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "apply", broken)
        for _ in range(3):
            with pytest.raises(StoreError, match="could not be opened or brought up to date"):
                Store(path)
    (backup,) = copies.listed(path.parent / "backups")
    backup.write_bytes(b"damaged since")
    Store(path).close()
    assert len(copies.listed(path.parent / "backups")) == 2
