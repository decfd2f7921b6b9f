"""A conversation as a tree of turns: siblings, paths, and which path a list of messages has gone.

Regenerate and edit give a turn a sibling, which has the same parent. The newest turn is always a leaf, and the path to
it is the conversation's current one. A first question that is edited begins another group, and so a conversation of
its own, of which it is known where it came from. It knows rows; it does not know who may see them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftchat.records import Conversation, Message, Turn, group_key

if TYPE_CHECKING:
    from ftchat.store import Store


class Tree:
    """How turns hang together."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def stays(self, conversation: Conversation, first_prompt: str) -> bool:
        """Whether a conversation that began with this question would be of the same group."""
        began = next((m.content for m in conversation.context if m.role == "user"), first_prompt)
        row = self._store.row("SELECT group_key AS g FROM conversations WHERE id = :c", {"c": conversation.id})
        return row is not None and row["g"] == group_key(began)

    def reword(self, conversation: str, *, of: str) -> None:
        """Remember that a conversation began as another wording of one's first question."""
        self._store.insert("rewordings", {"conversation": conversation, "first": self._first(of)})

    def _first(self, conversation: str) -> str:
        row = self._store.row("SELECT first FROM rewordings WHERE conversation = :c", {"c": conversation})
        return str(row["first"]) if row else conversation

    def siblings(self, turn: Turn) -> tuple[str, ...]:
        """The turns with the same parent, this one among them, oldest first; of a first turn, its rewordings too."""
        sql = "SELECT id FROM turns WHERE conversation = :c AND parent = :p ORDER BY id"
        if turn.parent is None:
            sql = """SELECT id FROM turns WHERE parent IS NULL AND conversation IN
                       (SELECT :f UNION SELECT conversation FROM rewordings WHERE first = :f) ORDER BY id"""
        values = {"c": turn.conversation, "p": turn.parent, "f": self._first(turn.conversation)}
        return tuple(row["id"] for row in self._store.rows(sql, values))

    def path(self, conversation: str, *, through: str | None = None) -> list[str]:
        """The ids of the turns from a first one down to the newest leaf; with `through`, the newest one under that."""
        sql = "SELECT id, parent FROM turns WHERE conversation = :c ORDER BY id"
        parents = {row["id"]: row["parent"] for row in self._store.rows(sql, {"c": conversation})}
        under = {through} if through in parents else set(parents)
        leaf = through if through in parents else None
        for turn, parent in parents.items():  # children are newer than their parents
            if through is None or parent in under:
                under.add(turn)
                leaf = turn
        found = []
        while leaf is not None:
            found.append(leaf)
            leaf = parents[leaf]
        return found[::-1]

    def continued_by(self, owner: str, messages: Sequence[Message]) -> str | None:
        """The turn at the end of the path that these messages are, question by question and answer by answer."""
        first = next((m.content for m in messages if m.role == "user"), "")
        rows = self._store.rows(
            "SELECT id FROM conversations WHERE owner = :o AND group_key = :k ORDER BY id DESC LIMIT 50",
            {"o": owner, "k": group_key(first)},
        )
        ends = (self._end_of(row["id"], messages) for row in rows)
        return next((end for end in ends if end is not None), None)

    def _end_of(self, conversation: str, messages: Sequence[Message]) -> str | None:
        head = list(self._store.turns.conversation(conversation).head)
        said = list(messages[len(head) :])
        if list(messages[: len(head)]) != head or not said or len(said) % 2:
            return None
        sql = "SELECT id, parent, prompt FROM turns WHERE conversation = :c ORDER BY id"
        turns = self._store.rows(sql, {"c": conversation})
        reached: list[str | None] = [None]
        for asked, answered in zip(said[::2], said[1::2], strict=True):
            if (asked.role, answered.role) != ("user", "assistant"):
                return None
            here = [t["id"] for t in turns if t["parent"] in reached and t["prompt"] == asked.content]
            reached = [turn for turn in here if self._answered(turn) == answered.content]
        return reached[-1] if reached else None

    def _answered(self, turn: str) -> str | None:
        """What the next turn is told was answered: a correction, where there is one, which the asker may not know."""
        said = self._store.turns.history([self._store.turns.get(turn)], "only")
        return said[-1].content if said else None
