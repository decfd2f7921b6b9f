"""Who may come in, on a real database: passwords, logins, tokens, invitations, and how each of them ends."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from room import CHEAP
from sqlite_utils import Database

from ftchat import passwords
from ftchat.accounts import ALONE, IDLE_S, Accounts, checked_name
from ftchat.errors import BadInput, Conflict, FtchatError, NotFound, NotLoggedIn, TooMany
from ftchat.passwords import COST, Cost, Tries, hashed, is_outdated, matches
from ftchat.records import STANDINGS, Person, Standing
from ftchat.store import Store
from ftchat.store.people import Entry
from ftchat.store.schema import migrations

GOOD = "three blue teapots"
OTHER = "seven green kettles"
HERE = "192.0.2.1"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "ftchat.db")
    yield opened
    opened.close()


@pytest.fixture
def accounts(store: Store, clock: Clock) -> Accounts:
    return Accounts(store, clock=clock, cost=CHEAP)


def join(accounts: Accounts, name: str, role: Standing = "rater") -> str:
    """A new user by invitation, and the secret of their first login."""
    return accounts.join(accounts.invite("admin", role)[1], name, GOOD)


def by_cookie(accounts: Accounts, secret: str) -> Person | None:
    return person(accounts.known(bearer=None, cookie=secret, here=False))


def by_token(accounts: Accounts, secret: str) -> Person | None:
    return person(accounts.known(bearer=secret, cookie=None, here=False))


def person(entry: Entry | None) -> Person | None:
    return entry.person if entry else None


# -- passwords --


def test_a_password_is_kept_as_a_salted_hash_with_its_parameters() -> None:
    one, two = hashed(GOOD, CHEAP), hashed(GOOD, CHEAP)
    assert one != two
    assert one.split("$")[:4] == ["scrypt", "2", "8", "1"]
    assert (matches(GOOD, one), matches(GOOD, two), matches(OTHER, one), matches("", one)) == (True, True, False, False)


def test_the_cost_of_a_guess_is_16_mib_five_times() -> None:
    assert 128 * COST.n * COST.r == 16 * 2**20
    assert COST.p == 5
    assert matches(GOOD, hashed(GOOD, COST))


def test_one_password_is_one_however_its_letters_are_put_together() -> None:
    assert matches("cafe\u0301 au lait", hashed("caf\u00e9 au lait", CHEAP))
    assert matches("\ud800 a lone half", hashed("\ud800 a lone half", CHEAP))


def test_a_hash_with_older_parameters_is_renewed_at_the_next_login(store: Store, accounts: Accounts) -> None:
    join(accounts, "ann")
    dearer = Accounts(store, cost=Cost(4, 8, 1))
    dearer.log_in("ann", GOOD, address=HERE)
    stored = store.people.password("ann") or ""
    assert (is_outdated(stored, Cost(4, 8, 1)), matches(GOOD, stored)) == (False, True)


# -- coming in --


def test_without_an_admin_a_start_gives_a_link_that_makes_one(accounts: Accounts) -> None:
    earlier, newer = accounts.first_admin(), accounts.first_admin()
    assert earlier
    assert newer
    with pytest.raises(NotFound):
        accounts.invitation(earlier)  # only the newest works
    secret = accounts.join(newer, " Admin ", GOOD)
    assert by_cookie(accounts, secret) == ALONE
    assert accounts.first_admin() is None


def test_an_admin_who_cannot_log_in_is_none(accounts: Accounts) -> None:
    accounts.new_token("admin", "admin")
    assert [user.name for user in accounts.users()] == ["api-admin"]
    assert accounts.first_admin() is not None


@pytest.mark.parametrize("role", STANDINGS)
def test_an_invitation_makes_a_user_with_its_role_once(accounts: Accounts, role: Standing) -> None:
    made, secret = accounts.invite("admin", role)
    assert accounts.invitation(secret) == made
    assert by_cookie(accounts, accounts.join(secret, "ann", GOOD)) == Person("ann", role)
    with pytest.raises(NotFound, match="has been used"):
        accounts.join(secret, "ben", GOOD)
    assert [user.name for user in accounts.users()] == ["ann"]


def test_an_invitation_that_is_old_or_taken_back_or_unknown_does_not_work(accounts: Accounts, clock: Clock) -> None:
    old = accounts.invite("admin", "rater", days=1)[1]
    taken, back = accounts.invite("admin", "rater", days=30)
    assert next(made.id for made in accounts.invitations()) == taken.id
    accounts.take_back(taken.id)
    clock.now += 86_401
    assert accounts.invitations() == []
    for secret in (old, back, "", "nonsense", "\ud800"):
        with pytest.raises(NotFound):
            accounts.join(secret, "ann", GOOD)
    assert accounts.users() == []
    with pytest.raises(NotFound):
        accounts.take_back(taken.id)


def test_of_many_who_use_one_link_at_once_one_comes_in(accounts: Accounts) -> None:
    secret = accounts.invite("admin", "rater")[1]

    def attempt(n: int) -> bool:
        try:
            accounts.join(secret, f"user{n}", GOOD)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert len(accounts.users()) == 1


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-ann", "../x", "a" * 65, "ann\x00", "\u0430nn", "ann\u202e", "\ud800"]
)
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="1 to 64"):
        checked_name(name)


def test_names_are_one_whatever_case_width_or_space(accounts: Accounts) -> None:
    join(accounts, " Ann@Example.ORG ")
    assert [user.name for user in accounts.users()] == ["ann@example.org"]
    assert accounts.log_in("\uff21nn@example.org", GOOD, address=HERE)
    with pytest.raises(Conflict, match="taken"):
        join(accounts, "ANN@example.org")


def test_a_refused_name_or_password_leaves_the_link_as_it_was(accounts: Accounts) -> None:
    join(accounts, "ann")
    secret = accounts.invite("admin", "rater")[1]
    for name, password in (("ann", GOOD), ("ben", "short"), ("b n", GOOD), ("ben", "x" * 201)):
        with pytest.raises((BadInput, Conflict)):
            accounts.join(secret, name, password)
    assert accounts.join(secret, "ben", GOOD)


@pytest.mark.parametrize("name", ["ftchat", "exam", "schedule", "votes", "api-rater", "admin"])
def test_names_that_stand_for_ftchat_itself_are_not_given_away(accounts: Accounts, name: str) -> None:
    with pytest.raises(BadInput, match="kept for ftchat"):
        join(accounts, name)


def test_a_wrong_password_and_an_unknown_name_are_told_alike(accounts: Accounts) -> None:
    join(accounts, "ann")
    accounts.new_token("admin", "rater")  # a user without a password
    told = set()
    for name, password in (("ann", OTHER), ("nobody", GOOD), ("api-rater", ""), ("", ""), ("\ud800", GOOD)):
        with pytest.raises(NotLoggedIn) as refused:
            accounts.log_in(name, password, address=HERE)
        told.add(refused.value.message)
    assert told == {"The name or the password is wrong."}


# -- logins --


def test_a_login_outlives_a_restart_and_the_database_cannot_replay_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "ftchat.db")
    accounts = Accounts(store, cost=CHEAP)
    secret = join(accounts, "ann")
    token = accounts.new_token("admin", "rater")[1]
    link = accounts.invite("admin", "admin")[1]
    store.close()
    written = (tmp_path / "ftchat.db").read_bytes()
    assert [text for text in (secret, token, link, GOOD) if text.encode() in written] == []
    again = Store(tmp_path / "ftchat.db")
    assert by_cookie(Accounts(again), secret) == Person("ann", "rater")
    assert by_token(Accounts(again), token) == Person("api-rater", "rater")
    again.close()


def test_a_login_ends_twelve_hours_after_its_last_use(accounts: Accounts, clock: Clock) -> None:
    secret = join(accounts, "ann")
    for _ in range(3):
        clock.now += IDLE_S - 1
        entry = accounts.known(bearer=None, cookie=secret, here=False)
        assert entry is not None
        assert accounts.is_unseen(entry)
        accounts.see(entry)
    clock.now += IDLE_S + 1
    assert by_cookie(accounts, secret) is None
    accounts.log_in("ann", GOOD, address=HERE)
    assert accounts._store.rows("SELECT COUNT(*) AS n FROM logins") == [{"n": 1}]  # the old one was cleared away


def test_a_use_just_after_another_is_not_written(accounts: Accounts, clock: Clock) -> None:
    secret = join(accounts, "ann")
    clock.now += 10
    entry = accounts.known(bearer=None, cookie=secret, here=False)
    assert entry is not None
    assert not accounts.is_unseen(entry)


@pytest.mark.parametrize("secret", ["", "nonsense", "\x00", "\ud800", "a" * 10_000])
def test_a_forged_login_or_token_is_nobody(accounts: Accounts, secret: str) -> None:
    join(accounts, "ann", "admin")
    assert by_cookie(accounts, secret) is None
    assert by_token(accounts, secret) is None


def test_a_login_is_no_token_and_a_token_no_login(accounts: Accounts) -> None:
    login, token = join(accounts, "ann"), accounts.new_token("admin", "rater")[1]
    assert by_token(accounts, login) is None
    assert by_cookie(accounts, token) is None


def test_logging_out_ends_that_login_and_no_other(accounts: Accounts) -> None:
    one, two = join(accounts, "ann"), accounts.log_in("ann", GOOD, address=HERE)
    accounts.log_out(one)
    assert (by_cookie(accounts, one), by_cookie(accounts, two)) == (None, Person("ann", "rater"))


def test_a_new_password_ends_every_login_and_open_link(accounts: Accounts) -> None:
    before = join(accounts, "ann")
    link = accounts.password_link("admin", "ann")[1]
    with pytest.raises(NotLoggedIn, match="The password that you have now"):
        accounts.change_password("ann", OTHER, OTHER, address=HERE)
    after = accounts.change_password("ann", GOOD, OTHER, address=HERE)
    assert (by_cookie(accounts, before), by_cookie(accounts, after)) == (None, Person("ann", "rater"))
    assert accounts.log_in("ann", OTHER, address=HERE)
    with pytest.raises(NotLoggedIn):
        accounts.log_in("ann", GOOD, address=HERE)
    with pytest.raises(NotFound):
        accounts.join(link, "ann", GOOD)


def test_a_password_link_sets_the_password_of_its_user_whatever_name_comes_with_it(accounts: Accounts) -> None:
    old = join(accounts, "ann")
    earlier = accounts.password_link("admin", "ann")[1]
    link = accounts.password_link("admin", "Ann")[1]
    assert by_cookie(accounts, accounts.join(link, "ben", OTHER)) == Person("ann", "rater")
    assert by_cookie(accounts, old) is None
    assert [user.name for user in accounts.users()] == ["ann"]
    for used in (link, earlier):
        with pytest.raises(NotFound):
            accounts.join(used, "ann", GOOD)


# -- may less than before --


def test_a_disabled_user_is_out_at_once_in_every_way(accounts: Accounts) -> None:
    login = join(accounts, "ann")
    token = accounts.new_token("admin", "viewer", user="ann")[1]
    link = accounts.password_link("admin", "ann")[1]
    ended = accounts.ended
    accounts.set_disabled("ann", disabled=True)
    assert accounts.ended > ended
    assert (by_cookie(accounts, login), by_token(accounts, token)) == (None, None)
    with pytest.raises(NotFound):
        accounts.join(link, "ann", OTHER)
    with pytest.raises(NotLoggedIn):
        accounts.log_in("ann", GOOD, address=HERE)
    for refused in (
        lambda: accounts.password_link("admin", "ann"),
        lambda: accounts.new_token("admin", "viewer", user="ann"),
    ):
        with pytest.raises(Conflict, match="disabled"):
            refused()
    accounts.set_disabled("ann", disabled=False)
    assert by_cookie(accounts, login) is None
    assert by_token(accounts, token) == Person("ann", "viewer")


@pytest.mark.parametrize("how", ["disabled", "no admin any more"])
def test_who_is_shut_out_does_not_come_back_by_an_invitation_of_their_own(accounts: Accounts, how: str) -> None:
    join(accounts, "ann", "admin")
    join(accounts, "eve", "admin")
    own, anns = (accounts.invite(name, "admin")[1] for name in ("eve", "ann"))
    if how == "disabled":
        accounts.set_disabled("eve", disabled=True)
    else:
        accounts.set_role("eve", "reviewer")
    with pytest.raises(NotFound):
        accounts.join(own, "eve2", OTHER)
    assert accounts.join(anns, "bob", OTHER)


def test_another_role_counts_at_once_and_a_token_is_never_more_than_its_user(accounts: Accounts) -> None:
    login = join(accounts, "ann", "reviewer")
    token = accounts.new_token("admin", "reviewer", user="ann")[1]
    accounts.set_role("ann", "viewer")
    assert (by_cookie(accounts, login), by_token(accounts, token)) == (Person("ann", "viewer"), Person("ann", "viewer"))
    with pytest.raises(Conflict, match="ann is a viewer"):
        accounts.new_token("admin", "rater", user="ann")
    accounts.set_role("ann", "admin")
    assert by_token(accounts, token) == Person("ann", "reviewer")


def test_the_last_admin_who_can_log_in_stays_one(accounts: Accounts) -> None:
    join(accounts, "ann", "admin")
    accounts.new_token("admin", "admin")
    for less in (lambda: accounts.set_role("ann", "rater"), lambda: accounts.set_disabled("ann", disabled=True)):
        with pytest.raises(Conflict, match="last admin"):
            less()
    join(accounts, "ben", "admin")
    assert accounts.set_role("ann", "rater").role == "rater"


def test_a_revoked_token_is_worthless(accounts: Accounts) -> None:
    made, secret = accounts.new_token("ben", "admin", name="nightly")
    assert made.made_by == "ben"  # its user is nobody in particular
    accounts.revoke(made.id)
    assert by_token(accounts, secret) is None
    assert [(token.name, token.user, token.revoked) for token in accounts.tokens()] == [("nightly", "api-admin", True)]
    for id_ in (made.id, "a_0"):
        with pytest.raises(NotFound):
            accounts.revoke(id_)


def test_the_key_of_the_command_line_counts_on_this_machine_only(accounts: Accounts) -> None:
    assert person(accounts.known(bearer=accounts.key, cookie=None, here=True)) == ALONE
    assert accounts.known(bearer=accounts.key, cookie=None, here=False) is None
    assert accounts.known(bearer=accounts.key[:-1], cookie=None, here=True) is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda a: a.set_role("nobody", "rater"), NotFound),
        (lambda a: a.set_role("ann", "king"), BadInput),
        (lambda a: a.invite("admin", "king"), BadInput),
        (lambda a: a.invite("admin", "rater", days=91), BadInput),
        (lambda a: a.invite("admin", "rater", days=float("nan")), BadInput),
        (lambda a: a.new_token("admin", "rater", user="nobody"), NotFound),
        (lambda a: a.new_token("admin", "rater", name="x" * 101), BadInput),
        (lambda a: a.new_token("admin", "rater", name="a\x00b"), BadInput),
        (lambda a: a.password_link("admin", "nobody"), NotFound),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(accounts, call, error) -> None:
    join(accounts, "ann")
    with pytest.raises(error):
        call(accounts)
    assert ([user.role for user in accounts.users()], accounts.tokens(), accounts.invitations()) == (["rater"], [], [])


# -- guessing --


def test_of_a_thousand_guesses_at_once_five_are_looked_at(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    join(accounts, "ann")
    looked = []
    real = passwords.matches
    monkeypatch.setattr("ftchat.accounts.matches", lambda *given: looked.append(given) or real(*given))

    def guess(n: int) -> type[FtchatError]:
        with pytest.raises(FtchatError) as refused:
            accounts.log_in("ann", f"guess number {n}", address=HERE)
        return refused.type

    with ThreadPoolExecutor(16) as pool:
        refused = list(pool.map(guess, range(1000)))
    # The first five wait for nothing; a sixth may come when the first second has passed.
    assert 5 <= len(looked) <= 8
    assert refused.count(TooMany) == 1000 - len(looked)
    with pytest.raises(TooMany):
        accounts.log_in("ann", GOOD, address=HERE)  # the right one too
    assert accounts.log_in("ann", GOOD, address="192.0.2.77")  # from elsewhere, ann herself


def test_the_wait_grows_and_is_forgotten() -> None:
    clock = Clock()
    tries = Tries(clock)
    waits = []
    for _ in range(9):
        try:
            tries.begin("ann", HERE)
        except TooMany as err:
            waits.append(err.wait_s)
            clock.now += err.wait_s
            tries.begin("ann", HERE)
    assert waits == [1, 2, 4, 8]
    tries.begin("ben", HERE)  # another name from there
    clock.now += Tries.FORGET_S + 1
    for _ in range(5):
        tries.begin("ann", HERE)


def test_guesses_at_one_name_from_everywhere_and_at_all_names_from_one_place_end_too() -> None:
    tries = Tries(Clock())
    for n in range(50):
        tries.begin("ann", f"192.0.2.{n}")
    with pytest.raises(TooMany):
        tries.begin("ann", "192.0.2.99")
    for n in range(50):
        tries.begin(f"user{n}", "198.51.100.1")
    with pytest.raises(TooMany):
        tries.begin("user99", "198.51.100.1")


def test_a_right_password_clears_the_name_but_not_the_address() -> None:
    tries = Tries(Clock())
    for n in range(45):
        tries.begin(f"user{n}", HERE)
    for _ in range(20):
        tries.begin("ann", HERE)
        tries.succeeded("ann", HERE)
    for n in range(45, 50):
        tries.begin(f"user{n}", HERE)
    with pytest.raises(TooMany):
        tries.begin("user50", HERE)


def test_what_is_remembered_of_wrong_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tries, "MOST", 30)
    tries = Tries(Clock())
    for n in range(200):
        tries.begin("x" * 1000 + str(n), f"192.0.2.{n}")
    assert len(tries._counts) == 30
    assert max(len("".join(key)) for key in tries._counts) < 100


# -- the tables --


def test_a_database_without_accounts_gets_them_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ftchat.db"
    old = Database(path)
    steps = [step.name for step in migrations.pending(Database(memory=True))]
    migrations.apply(old, stop_before="m010_who_may_what")
    old.execute("INSERT INTO bases VALUES ('b0', 'tiny', 'then')")
    old.close()
    store = Store(path)
    assert steps.index("m010_who_may_what") > 0
    assert store.rows("SELECT fingerprint FROM bases") == [{"fingerprint": "b0"}]
    assert Accounts(store, cost=CHEAP).users() == []
    store.close()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO users VALUES ('ann', 'king', '', 0, '')",
        "INSERT INTO logins VALUES ('d', 'nobody', 0, '')",
        "INSERT INTO tokens VALUES ('a', 'd', 'n', 'nobody', 'rater', NULL, 0, '', NULL)",
        "INSERT INTO invitations VALUES ('i', 'd', NULL, NULL, 'admin', 0, 0, '')",
    ],
)
def test_the_tables_refuse_nonsense(store: Store, sql: str) -> None:
    with pytest.raises(sqlite3.IntegrityError), store.writing() as db:
        db.conn.execute(sql)
