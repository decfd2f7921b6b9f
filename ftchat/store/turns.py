"""Conversations, turns and replies: written before the first token, finished once.

It returns records. Whose they are is part of each query: what is not yours does not exist.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftchat.errors import NotFound
from ftchat.records import Conversation, LaneName, Message, Params, Reply, Turn, carried_on, group_key, now
from ftchat.store import words

if TYPE_CHECKING:
    from ftchat.store import Store


class TurnLog:
    """What was asked and what was answered."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def add_base(self, fingerprint: str, name: str) -> None:
        """Make a base known; replies and adapters refer to it."""
        with self._store.writing() as db:
            db.table("bases").insert(
                {"fingerprint": fingerprint, "name": name, "first_seen_at": now()}, pk="fingerprint", ignore=True
            )

    def add(self, turn: Turn, *, new: Conversation | None = None) -> None:
        """Commit a turn with its unfinished replies, and its conversation when it is the first."""
        with self._store.writing():
            if new is not None:
                first = next((m.content for m in new.context if m.role == "user"), turn.prompt)
                context = json.dumps([message.as_dict() for message in new.context])
                self._store.insert("conversations", {**vars(new), "context": context, "group_key": group_key(first)})
            self._store.insert(
                "turns",
                {
                    "id": turn.id,
                    "conversation": turn.conversation,
                    "owner": turn.owner,
                    "parent": turn.parent,
                    "mode": turn.mode,
                    "blind": int(turn.blind),
                    "prompt": turn.prompt,
                    "params": json.dumps(vars(turn.params)),
                    "created_at": turn.created_at,
                },
            )
            for reply in turn.replies:
                self._store.insert("replies", {**vars(reply), "examples": json.dumps(reply.examples)})
            words.add(self._store, turn.id, turn.prompt, turn=turn.id, owner=turn.owner)

    def finish(self, reply: Reply) -> None:
        """Write a finished reply, once. A second finish of the same reply is left as the first was."""
        values = {k: v for k, v in vars(reply).items() if k not in ("id", "turn", "lane", "contestant")}
        values["examples"] = json.dumps(reply.examples)
        sets = ", ".join(f"{k} = :{k}" for k in values)
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE replies SET {sets} WHERE id = :id AND finish IS NULL", {**values, "id": reply.id})

    def cut_unfinished(self) -> int:
        """At start: replies that a killed app left without an end are marked as cut. Returns how many."""
        with self._store.writing() as db:
            return db.conn.execute(
                "UPDATE replies SET finish = 'cut', error = 'ftchat was ended while this was being written' "
                "WHERE finish IS NULL"
            ).rowcount

    def get(self, turn: str, *, owner: str | None = None) -> Turn:
        """One turn with its replies; with `owner`, only if it is theirs."""
        row = self._store.row("SELECT * FROM turns WHERE id = :t", {"t": turn})
        if row is None or (owner is not None and row["owner"] != owner):
            raise NotFound("There is no such turn.")
        replies = self._store.rows("SELECT * FROM replies WHERE turn = :t ORDER BY lane", {"t": turn})
        return _turn(row, replies)

    def turn_of(self, reply: str, *, owner: str | None = None) -> tuple[Turn, Reply]:
        """A reply and the turn that it belongs to."""
        row = self._store.row("SELECT turn FROM replies WHERE id = :r", {"r": reply})
        if row is None:
            raise NotFound("There is no such reply.")
        turn = self.get(row["turn"], owner=owner)
        return turn, next(r for r in turn.replies if r.id == reply)

    def conversation(self, conversation: str, *, owner: str | None = None) -> Conversation:
        """One conversation; with `owner`, only if it is theirs."""
        row = self._store.row("SELECT * FROM conversations WHERE id = :c", {"c": conversation})
        if row is None or (owner is not None and row["owner"] != owner):
            raise NotFound("There is no such conversation.")
        return conversation_from(row)

    def conversations(
        self,
        owner: str | None,
        *,
        limit: int,
        mode: str | None = None,
        search: str | None = None,
        before: str | None = None,
    ) -> list[Conversation]:
        """Conversations, newest first: someone's or all; with `mode`, those that began in it; with `search`, those in
        which a question or a correction has these words. `before` is the last id of the page before this one."""
        filters = {"c.owner = :o": owner, "c.mode = :m": mode, "c.id < :b": before}
        where = [sql for sql, value in filters.items() if value is not None]
        params: dict[str, Any] = {"o": owner, "m": mode, "b": before, "n": limit}
        if search is not None:
            params["q"] = words.query(search, owner=owner)
            if params["q"] is None:
                return []
            where.append(f"c.id IN ({words.CONVERSATIONS})")
        sql = f"SELECT c.* FROM conversations c WHERE {' AND '.join(where) or '1'} ORDER BY c.id DESC LIMIT :n"
        return [conversation_from(row) for row in self._store.rows(sql, params)]

    def of_conversation(self, conversation: str) -> list[str]:
        """The ids of its turns, oldest first."""
        sql = "SELECT id FROM turns WHERE conversation = :c ORDER BY id"
        return [r["id"] for r in self._store.rows(sql, {"c": conversation})]

    def prompts_without_feedback(self, *, limit: int) -> list[str]:
        """First questions on which there is no approved feedback of any kind, newest first, each once."""
        rows = self._store.rows(
            """SELECT t.prompt, MAX(t.id) AS newest FROM turns t JOIN conversations c ON c.id = t.conversation
               WHERE t.parent IS NULL AND c.context = '[]' AND c.group_key NOT IN (SELECT key FROM groups)
               GROUP BY t.prompt ORDER BY newest DESC LIMIT :n""",
            {"n": limit},
        )
        return [row["prompt"] for row in rows]

    def path_to(self, turn: str) -> list[Turn]:
        """The turns from the first one down to this, along parents."""
        path = [self.get(turn)]
        while (parent := path[-1].parent) is not None:
            path.append(self.get(parent))
        return path[::-1]

    def history(self, path: Sequence[Turn], lane: LaneName) -> list[Message]:
        """What was said in earlier turns, as the person who asked sees it: their own feedback counts before its
        review. As it trains and examines it is in `lessons`."""
        messages = []
        for turn in path:
            if text := self._said(turn, lane):
                messages += [Message("user", turn.prompt), Message("assistant", text)]
        return messages

    def _said(self, turn: Turn, lane: LaneName) -> str:
        corrected = [self._store.judged.given_on(reply.id, rater=turn.owner).corrected for reply in turn.replies]
        vote = self._store.feedback.vote_of(turn.id)
        return carried_on(turn.replies, lane, corrected=corrected, winner=vote.winner if vote else None)


def _turn(row: Mapping[str, Any], replies: list[dict[str, Any]]) -> Turn:
    params = json.loads(row["params"])
    return Turn(
        id=row["id"],
        conversation=row["conversation"],
        owner=row["owner"],
        mode=row["mode"],
        prompt=row["prompt"],
        blind=bool(row["blind"]),
        parent=row["parent"],
        params=Params(**{**params, "stop": tuple(params["stop"])}),
        created_at=row["created_at"],
        replies=tuple(reply_from(r) for r in replies),
    )


def reply_from(row: Mapping[str, Any]) -> Reply:
    """A reply as the table has it."""
    return Reply(**{**row, "examples": tuple(json.loads(row["examples"]))})


def conversation_from(row: Mapping[str, Any]) -> Conversation:
    """A conversation as the table has it."""
    context = tuple(Message(**message) for message in json.loads(row["context"]))
    return Conversation(**{k: row[k] for k in ("id", "owner", "title", "system", "created_at")}, context=context)
