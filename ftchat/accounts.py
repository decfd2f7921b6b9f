"""Users, roles, logins, tokens and invitations: who may come in, and as whom.

Secrets leave this module once, when they are made; the database has digests, and of passwords scrypt hashes. There is
no sign-up: whoever has no account needs an invitation from an admin. It does not know HTTP, pages or routes.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from functools import cached_property

from ftchat.errors import BadInput, Conflict, NotFound, NotLoggedIn
from ftchat.passwords import COST, Cost, Tries, hashed, is_outdated, matches
from ftchat.records import STANDINGS, Person, Standing
from ftchat.store import Store
from ftchat.store.people import Entry, Invitation, Token, User

ALONE = Person("admin", "admin")  # the one person at this machine: with `open`, and at the command line
IDLE_S = 12 * 3600.0
SEEN_EVERY_S = 300.0  # a login in use is written down this often, not at each request
INVITED_DAYS = 7.0
START = "ftchat"  # who gives the invitation of a first start
_RESERVED = {START, "exam", "schedule", "votes"}  # named beside users as who did something
_PROGRAM = "api-"  # users that are only there for tokens
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_WRONG = "The name or the password is wrong."
_WRONG_NOW = "The password that you have now is another one. Nothing was changed."
_LINK_GONE = "This link has been used, taken back, or has expired. Ask an admin for another."


class Accounts:
    """Who may come in."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time, cost: Cost = COST) -> None:
        """Over an open store; `clock` gives seconds since 1970."""
        self._store = store
        self._people = store.people
        self._clock = clock
        self._cost = cost
        self._tries = Tries()
        self._hashing = threading.BoundedSemaphore(2)  # a hash takes 16 MiB and a tenth of a second
        self.key = new_secret()  # of the command line on this machine; ends with the app
        self.ended = 0  # grows when somebody may less than before, so that what is open can be looked at again

    # -- who is asking --

    def known(self, *, bearer: str | None, cookie: str | None, here: bool) -> Entry | None:
        """Whom a request comes from, by the token or else the login that it carries; `here`: from this very machine."""
        if bearer is None:
            return self._by_login(cookie) if cookie else None
        if here and hmac.compare_digest(bearer.encode(), self.key.encode()):
            return Entry("key", ALONE, self._clock())
        return self._people.token(_digest(bearer))

    def _by_login(self, secret: str) -> Entry | None:
        entry = self._people.login(_digest(secret))
        return entry if entry and entry.seen > self._clock() - IDLE_S else None

    def is_unseen(self, entry: Entry) -> bool:
        """Whether its use should be written down now."""
        return self._clock() - entry.seen > SEEN_EVERY_S

    def see(self, entry: Entry) -> None:
        """Write down that it is in use: a login lasts that much longer."""
        self._people.used(entry.id, self._clock())

    # -- coming in and going --

    def log_in(self, name: str, password: str, *, address: str) -> str:
        """The secret of a new login. Every attempt counts as wrong until it was right."""
        name = normal(name)
        self._tries.begin(name, address)
        stored = self._people.password(name)
        with self._hashing:
            right = matches(password, stored or self._nobody)
        if stored is None or not right:
            raise NotLoggedIn(_WRONG)
        self._tries.succeeded(name, address)
        if is_outdated(stored, self._cost):
            self._people.change(name, password=self._hash(password))
        return self._new_login(name)

    @cached_property
    def _nobody(self) -> str:
        """What the password for an unknown name is compared with, so that it takes as long as for a known one."""
        return hashed(new_secret(), self._cost)

    def log_out(self, secret: str) -> None:
        """End a login."""
        self._people.end_logins(digest=_digest(secret))
        self.ended += 1

    def change_password(self, who: str, old: str, new: str, *, address: str) -> str:
        """Set one's own password; every login ends, and the secret of a new one is returned."""
        checked_password(new)
        try:
            self.log_in(who, old, address=address)
        except NotLoggedIn as err:  # whoever changes it is logged in, and gave no name
            raise NotLoggedIn(_WRONG_NOW) from err
        secret = self._set_password(who, self._hash(new))
        self.ended += 1
        return secret

    def _set_password(self, name: str, hash_: str) -> str:
        with self._store.writing():
            self._people.change(name, password=hash_)
            self._people.end_logins(user=name)
            self._people.spend(user=name)
            return self._new_login(name)

    def _new_login(self, name: str) -> str:
        secret, at = new_secret(), self._clock()
        with self._store.writing():
            self._people.end_logins(seen_before=at - IDLE_S)
            self._people.add_login(_digest(secret), name, seen=at)
        return secret

    def _hash(self, password: str) -> str:
        with self._hashing:
            return hashed(password, self._cost)

    # -- links --

    def first_admin(self) -> str | None:
        """The secret of a link that makes the first admin, while nobody can log in as one; earlier ones end."""
        if self._people.admins():
            return None
        with self._store.writing():
            self._people.spend(by=START)
            return self._link(START, role="admin", days=1)[1]

    def invite(self, by: str, role: Standing, *, days: float = INVITED_DAYS) -> tuple[Invitation, str]:
        """A link with which someone becomes a user with this role."""
        return self._link(by, role=_role(role), days=days)

    def password_link(self, by: str, name: str) -> tuple[Invitation, str]:
        """A link with which a user sets a new password; earlier ones end."""
        with self._store.writing():
            user = self._user(name)
            if user.disabled:
                raise Conflict(f"{user.name} is disabled. Enable them first.")
            self._people.spend(user=user.name)
            return self._link(by, user=user.name)

    def _link(
        self, by: str, *, role: Standing | None = None, user: str | None = None, days: float = INVITED_DAYS
    ) -> tuple[Invitation, str]:
        if not 0 < days <= 90:
            raise BadInput(f"days is {days:g}: it must be above 0 and at most 90.")
        secret = new_secret()
        expires = self._clock() + days * 86400
        return self._people.add_invitation(_digest(secret), by=by, expires=expires, role=role, user=user), secret

    def invitation(self, secret: str) -> Invitation:
        """What a link is for, as long as it works."""
        found = self._people.invitation(_digest(secret), at=self._clock())
        if found is None:
            raise NotFound(_LINK_GONE)
        return found

    def invitations(self) -> list[Invitation]:
        """The links that work now."""
        return self._people.invitations(at=self._clock())

    def take_back(self, invitation: str) -> None:
        """End a link."""
        if not self._people.spend(invitation=invitation):
            raise NotFound("There is no such invitation, or it has been used.")

    def join(self, secret: str, name: str, password: str) -> str:
        """Use a link: become a user, or set one's password. The secret of a new login."""
        link = self.invitation(secret)
        hash_ = self._hash(checked_password(password))
        with self._store.writing():
            if not self._people.spend(invitation=link.id):
                raise NotFound(_LINK_GONE)
            login = self._renewed(link.user, hash_) if link.user else self._added(name, link, hash_)
        self.ended += 1
        return login

    def _renewed(self, name: str, hash_: str) -> str:
        if self._user(name).disabled:
            raise NotFound(_LINK_GONE)
        return self._set_password(name, hash_)

    def _added(self, name: str, link: Invitation, hash_: str) -> str:
        role = _role(link.role or "")
        name = self._free_name(name, role)
        self._people.add(name, role, password=hash_)
        return self._new_login(name)

    def _free_name(self, name: str, role: Standing) -> str:
        name = checked_name(name)
        if name in _RESERVED or name.startswith(_PROGRAM) or (name == ALONE.name and role != "admin"):
            raise BadInput(f"The name {name} is kept for ftchat itself. Take another.")
        if self._people.user(name) is not None:
            raise Conflict(f"The name {name} is taken. Take another.")
        return name

    # -- users --

    def users(self, *, search: str = "", after: str = "", limit: int = -1) -> list[User]:
        """Everyone, by name; or a page of those that are searched for."""
        return self._people.users(search=search, after=after, limit=limit)

    def set_role(self, name: str, role: Standing) -> User:
        """Give a user another role, at once, in what is open too; who is admin no more has invited nobody."""
        return self._changed(name, role=_role(role))

    def set_disabled(self, name: str, *, disabled: bool) -> User:
        """Shut a user out, at once and with all logins, tokens and links, those that they gave, too; or let them in."""
        return self._changed(name, disabled=int(disabled))

    def _changed(self, name: str, **values: str | int) -> User:
        with self._store.writing():
            user = self._user(name)
            self._people.change(user.name, **values)
            if self._people.admins() == [] and user.has_password and user.role == "admin" and not user.disabled:
                raise Conflict(f"{user.name} is the last admin who can log in. Make another admin first.")
            if values.get("disabled"):
                self._people.end_logins(user=user.name)
                self._people.spend(user=user.name, by=user.name)
            if user.role == "admin" and values.get("role", "admin") != "admin":
                self._people.spend(by=user.name)
        self.ended += 1
        return self._user(user.name)

    def _user(self, name: str) -> User:
        user = self._people.user(normal(name))
        if user is None:
            raise NotFound(f"There is no user called {name}.")
        return user

    # -- tokens --

    def tokens(self, *, search: str = "", before: str = "", limit: int = -1, works: bool = False) -> list[Token]:
        """Every token, without its secret, newest first; or a page of those that are searched for, and that work."""
        return self._people.tokens(search=search, before=before, limit=limit, works=works)

    def new_token(self, by: str, role: Standing, *, user: str | None = None, name: str = "") -> tuple[Token, str]:
        """A token of a user, or of one that is only there for tokens of this role; and its secret."""
        role, secret = _role(role), f"ft_{new_secret()}"
        name = name.strip() or "token"
        if len(name) > 100 or not name.isprintable():
            raise BadInput("A token's name has 1 to 100 printable characters.")
        with self._store.writing():
            owner = self._user(user) if user is not None else self._program(role)
            if owner.disabled:
                raise Conflict(f"{owner.name} is disabled. Enable them first.")
            if not Person(owner.name, owner.role).is_at_least(role):
                raise Conflict(f"{owner.name} is a {owner.role}: a token of theirs cannot be a {role}'s.")
            return self._people.add_token(_digest(secret), by=by, name=name, user=owner.name, role=role), secret

    def _program(self, role: Standing) -> User:
        name = _PROGRAM + role
        if self._people.user(name) is None:
            self._people.add(name, role)
        return self._user(name)

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        if not self._people.revoke_token(token):
            raise NotFound("There is no such token, or it has been revoked.")
        self.ended += 1


def new_secret() -> str:
    """256 random bits, for a link, a cookie or a header."""
    return secrets.token_urlsafe(32)


def normal(name: str) -> str:
    """A name as it is compared: not by case, width or surrounding space."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def checked_name(name: str) -> str:
    """A name that a user may have. ASCII only, because letters of other scripts can look like these."""
    name = normal(name)
    if not _NAME.fullmatch(name):
        raise BadInput("A name has 1 to 64 of a-z, 0-9 and . _ @ -, and begins with a letter or a digit.")
    return name


def checked_password(password: str) -> str:
    """A password that is long enough."""
    if not 10 <= len(password) <= 200:
        raise BadInput("A password has 10 to 200 characters. A few words in a row make a good one.")
    return password


def _role(role: str) -> Standing:
    if role not in STANDINGS:
        raise BadInput(f"There is no role called {role!r}: use {', '.join(STANDINGS)}.")
    return role


def _digest(secret: str) -> str:
    # Secrets are 256 random bits: a plain hash is enough, it need not be slow.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
