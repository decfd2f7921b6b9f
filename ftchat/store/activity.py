"""Who gave feedback, and how much on which day: figures over what stands, found by index however much there is.

It does not know what a piece of feedback says, or who may see these figures.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ftchat.records import id_at
from ftchat.store.pages import KINDS

if TYPE_CHECKING:
    from ftchat.store import Store

# The next name after each name: as many steps in the index as there are people.
_PEOPLE = """
WITH RECURSIVE people (name) AS (
  SELECT MIN(rater) FROM standing
  UNION ALL SELECT (SELECT MIN(rater) FROM standing WHERE rater > people.name) FROM people WHERE name IS NOT NULL)
SELECT name FROM people WHERE name IS NOT NULL"""


def raters(store: "Store") -> list[str]:
    """Everyone whose feedback stands, by name."""
    return [row["name"] for row in store.rows(_PEOPLE)]


def by_day(store: "Store", *, today: datetime, days: int) -> list[tuple[str, dict[str, int]]]:
    """What was given on each of the last days and still stands, oldest day first; today is the last one, in UTC."""
    last = today.astimezone(UTC).date()
    counted: dict[str, dict[str, int]] = {str(last - timedelta(days=n)): {} for n in reversed(range(days))}
    since = datetime.combine(last - timedelta(days=days - 1), datetime.min.time(), UTC)
    for kind, prefix in KINDS.items():
        sql = f"""SELECT substr(f.created_at, 1, 10) AS day, COUNT(*) AS n FROM {kind}s f JOIN standing s ON s.id = f.id
                   WHERE f.id >= :since GROUP BY day"""
        for row in store.rows(sql, {"since": id_at(prefix, since)}):
            counted.get(row["day"], {})[kind] = row["n"]
    return list(counted.items())
