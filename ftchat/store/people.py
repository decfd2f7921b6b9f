"""Users, and what they come in with: logins, tokens and invitations, of each only a digest.

It returns records. It does not know how a password is hashed, how long a login lasts, or who may call it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftchat.records import Person, Standing, new_id, now

if TYPE_CHECKING:
    from ftchat.store import Store


@dataclass(frozen=True, kw_only=True)
class User:
    """Someone who may come in. Without a password they can only by a token, until an invitation gives them one."""

    name: str
    role: Standing
    disabled: bool
    has_password: bool
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a program comes in with: as its user, with a role that is at most theirs."""

    id: str
    name: str
    user: str
    role: Standing
    used: float | None  # seconds since 1970, to some minutes
    revoked: bool
    made_by: str | None  # not known of those made by an ftchat that did not note it
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """A link that works once: to become a user with a role, or for a user to set a new password."""

    id: str
    role: Standing | None
    user: str | None
    by: str
    expires: float
    created_at: str


@dataclass(frozen=True)
class Entry:
    """Who a digest stands for, and when it was last seen in use."""

    id: str
    person: Person
    seen: float


class People:
    """Who may come in."""

    def __init__(self, store: "Store") -> None:
        """Over an open store."""
        self._store = store

    # -- users --

    def users(self, *, search: str = "", after: str = "", limit: int = -1) -> list[User]:
        """Everyone, by name; with `search`, whose name or role has it; with `after`, who comes after that name."""
        sql = """SELECT * FROM users WHERE name > :after AND (instr(name, :s) OR instr(role, :s))
                 ORDER BY name LIMIT :n"""
        rows = self._store.rows(sql, {"after": after, "s": search.strip().casefold(), "n": limit})
        return [_user(row) for row in rows]

    def user(self, name: str) -> User | None:
        """One of them."""
        row = self._store.row("SELECT * FROM users WHERE name = :n", {"n": name})
        return _user(row) if row else None

    def password(self, name: str) -> str | None:
        """The hash of the password of a user who may come in with one."""
        sql = "SELECT password FROM users WHERE name = :n AND disabled = 0 AND password <> ''"
        row = self._store.row(sql, {"n": name})
        return str(row["password"]) if row else None

    def add(self, name: str, role: Standing, *, password: str = "") -> None:
        """A new user; the name must be free."""
        row = {"name": name, "role": role, "password": password, "disabled": 0, "created_at": now()}
        self._store.insert("users", row)

    def change(self, name: str, **values: Any) -> None:
        """Set role, password or disabled of a user."""
        sets = ", ".join(f"{column} = :{column}" for column in values)
        with self._store.writing() as db:
            db.conn.execute(f"UPDATE users SET {sets} WHERE name = :user", {**values, "user": name})

    def admins(self) -> list[str]:
        """The admins who can log in."""
        sql = "SELECT name FROM users WHERE role = 'admin' AND disabled = 0 AND password <> '' ORDER BY name"
        return [row["name"] for row in self._store.rows(sql)]

    # -- logins --

    def add_login(self, digest: str, user: str, *, seen: float) -> None:
        """Somebody has logged in."""
        self._store.insert("logins", {"digest": digest, "user": user, "seen": seen, "created_at": now()})

    def login(self, digest: str) -> Entry | None:
        """Whose login this is, as long as they may come in."""
        sql = """SELECT l.seen, u.name, u.role FROM logins l JOIN users u ON u.name = l.user
                 WHERE l.digest = :d AND u.disabled = 0"""
        row = self._store.row(sql, {"d": digest})
        return Entry(digest, Person(row["name"], row["role"]), row["seen"]) if row else None

    def end_logins(
        self, *, digest: str | None = None, user: str | None = None, seen_before: float | None = None
    ) -> None:
        """End one login, all of a user, or those that were not used for long."""
        sql = "DELETE FROM logins WHERE digest = :d OR user = :u OR seen < :b"
        with self._store.writing() as db:
            db.conn.execute(sql, {"d": digest, "u": user, "b": seen_before})

    # -- tokens --

    def add_token(self, digest: str, *, by: str, name: str, user: str, role: Standing) -> Token:
        """A new token of a user."""
        row = {"id": new_id("a"), "digest": digest, "name": name, "user": user, "role": role}
        self._store.insert("tokens", {**row, "made_by": by, "created_at": now()})
        return next(token for token in self.tokens() if token.id == row["id"])

    def tokens(self, *, search: str = "", before: str = "", limit: int = -1, works: bool = False) -> list[Token]:
        """Every token, newest first; with `search`, so called or of such a user; with `before`, older than that one;
        with `works`, those that are not revoked."""
        sql = """SELECT * FROM tokens WHERE (:before = '' OR id < :before) AND (NOT :works OR revoked = 0)
                 AND (instr(lower(name), :s) OR instr(user, :s)) ORDER BY id DESC LIMIT :n"""
        asked = {"before": before, "works": works, "s": search.strip().casefold(), "n": limit}
        rows = self._store.rows(sql, asked)
        return [Token(**_but(row, "digest", "revoked"), revoked=bool(row["revoked"])) for row in rows]

    def token(self, digest: str) -> Entry | None:
        """As whom a token comes in: never as more than its user is now."""
        sql = """SELECT t.id, t.role AS lent, COALESCE(t.used, 0) AS seen, u.name, u.role FROM tokens t
                 JOIN users u ON u.name = t.user WHERE t.digest = :d AND t.revoked = 0 AND u.disabled = 0"""
        row = self._store.row(sql, {"d": digest})
        if row is None:
            return None
        owner = Person(row["name"], row["role"])
        return Entry(
            row["id"], Person(owner.name, row["lent"] if owner.is_at_least(row["lent"]) else owner.role), row["seen"]
        )

    def revoke_token(self, token: str) -> bool:
        """Make a token worthless; False when there is none that was worth something."""
        with self._store.writing() as db:
            sql = "UPDATE tokens SET revoked = 1 WHERE id = :t AND revoked = 0"
            return db.conn.execute(sql, {"t": token}).rowcount > 0

    def used(self, entry: str, at: float) -> None:
        """Remember that a login or a token was used."""
        with self._store.writing() as db:
            db.conn.execute("UPDATE logins SET seen = :at WHERE digest = :e", {"e": entry, "at": at})
            db.conn.execute("UPDATE tokens SET used = :at WHERE id = :e", {"e": entry, "at": at})

    # -- invitations --

    def add_invitation(
        self, digest: str, *, by: str, expires: float, role: Standing | None = None, user: str | None = None
    ) -> Invitation:
        """A new link, for a role or for a user's password."""
        made = Invitation(id=new_id("i"), role=role, user=user, by=by, expires=expires, created_at=now())
        self._store.insert("invitations", {**vars(made), "digest": digest})
        return made

    def invitation(self, digest: str, *, at: float) -> Invitation | None:
        """What a link is for, as long as it works."""
        sql = "SELECT * FROM invitations WHERE digest = :d AND spent = 0 AND expires > :at"
        row = self._store.row(sql, {"d": digest, "at": at})
        return Invitation(**_but(row, "digest", "spent")) if row else None

    def invitations(self, *, at: float) -> list[Invitation]:
        """The links that work now, newest first."""
        sql = "SELECT * FROM invitations WHERE spent = 0 AND expires > :at ORDER BY id DESC"
        return [Invitation(**_but(row, "digest", "spent")) for row in self._store.rows(sql, {"at": at})]

    def spend(self, *, invitation: str | None = None, by: str | None = None, user: str | None = None) -> bool:
        """End one link, or all that someone gave or that are for someone; False when none of them worked."""
        sql = "UPDATE invitations SET spent = 1 WHERE spent = 0 AND (id = :i OR by = :by OR user = :u)"
        with self._store.writing() as db:
            return db.conn.execute(sql, {"i": invitation, "by": by, "u": user}).rowcount > 0


def _user(row: dict[str, Any]) -> User:
    values = _but(row, "password", "disabled")
    return User(**values, disabled=bool(row["disabled"]), has_password=bool(row["password"]))


def _but(row: dict[str, Any], *left_out: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in left_out}
