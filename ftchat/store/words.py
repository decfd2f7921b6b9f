"""Full-text search over what people asked and corrected, newest first: whole words, or beginnings such as jasm*.

A question is one text; a correction is another, together with its question. It knows which texts hold all the words of
a search. It does not know what is shown of them, or to whom.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftchat.store import Store

MOST = 20  # words of a search that count

CONVERSATIONS = "SELECT t.conversation FROM words w JOIN turns t ON t.id = w.turn WHERE words MATCH :q"


def add(store: "Store", id_: str, said: str, *, turn: str, owner: str) -> None:
    """Let a text be found; inside the transaction that writes it."""
    store.insert("words", {"id": id_, "turn": turn, "owner": owner, "said": said})


def query(search: str, *, owner: str | None = None) -> str | None:
    """What SQLite is asked for: texts with all of these words, of one owner's turns. None when there is no word."""
    wanted = re.findall(r"(\w+)(\*?)", search)[:MOST]
    if not wanted:
        return None
    said = " ".join(f'"{word}" {beginning}' for word, beginning in wanted)
    # An owner's name may be several words to SQLite, and another's may begin with them: this only narrows the search.
    names = " ".join(f'"{word}"' for word in re.findall(r"\w+", owner or ""))
    return f"said : ({said})" + (f" AND owner : ({names})" if names else "")


def found(store: "Store", asked: str, *, at: int, limit: int) -> list[tuple[int, str]]:
    """Places and ids of the newest texts that answer a `query`, from a place on downwards."""
    sql = "SELECT rowid AS n, id FROM words WHERE words MATCH :q AND rowid <= :at ORDER BY rowid DESC LIMIT :limit"
    return [(row["n"], row["id"]) for row in store.rows(sql, {"q": asked, "at": at, "limit": limit})]
