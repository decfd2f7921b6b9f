"""Groups, as imports need them: what was given in one, and the split that it brings along.

It returns ids. It does not know formats.
"""

from typing import TYPE_CHECKING

from ftchat.records import Split, now

if TYPE_CHECKING:
    from ftchat.store import Store


class ExchangeLog:
    """Feedback on its way in."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    def of_group(self, key: str) -> list[str]:
        """The feedback that stands in conversations that began with the same message."""
        rows = self._store.rows(
            """WITH r AS (SELECT replies.id, replies.turn FROM conversations c
                            JOIN turns t ON t.conversation = c.id JOIN replies ON replies.turn = t.id
                           WHERE c.group_key = :k),
                    f AS (SELECT id FROM votes WHERE turn IN (SELECT turn FROM r)
                          UNION ALL SELECT id FROM ratings WHERE reply IN (SELECT id FROM r)
                          UNION ALL SELECT id FROM corrections WHERE reply IN (SELECT id FROM r))
               SELECT id FROM f WHERE NOT EXISTS (SELECT 1 FROM voids WHERE voids.target = f.id)""",
            {"k": key},
        )
        return [row["id"] for row in rows]

    def settle(self, key: str, split: Split) -> None:
        """Give a group the split that it had elsewhere, unless it has one here: a split is given once, for good."""
        with self._store.writing():
            if not self._store.row("SELECT 1 AS yes FROM groups WHERE key = :k", {"k": key}):
                self._store.insert("groups", {"key": key, "split": split, "created_at": now()})
