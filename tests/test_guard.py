"""What a request passes before any route: hosts, origins, sizes, proxies, rates; and the way in through the login."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import Room

from ftchat import ui, web
from ftchat.config import Settings
from ftchat.errors import SetupError, TooMany
from ftchat.records import Standing
from ftchat.sessions import LONGEST_LIST
from ftchat.ui import theme
from ftchat.web import guard, limits
from ftchat.web.gate import Gate
from ftchat.web.limits import Buckets, neighbourhood
from ftchat.web.login import local

PASSWORD = "three blue teapots"
EVIL = "http://evil.example"
URL = "http://127.0.0.1:7860"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path, alone=False)
    yield made
    await made.close()


def client_of(room: Room, *, pages: bool = False, peer: str = "127.0.0.1", url: str = URL) -> httpx.AsyncClient:
    """A browser without a login, at the whole app."""
    app = web.build(room.parts)
    if pages:
        ui.mount(app, room.parts)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(peer, 4000)), base_url=url)


@pytest.fixture
async def client(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(room) as made:
        yield made


def joined(room: Room, name: str = "ann", role: Standing = "rater") -> str:
    """A new user, and the secret of a login."""
    return room.accounts.join(room.accounts.invite("admin", role)[1], name, PASSWORD)


def cookie(secret: str) -> dict[str, str]:
    return {"Cookie": f"ftchat_7860={secret}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def title(answer: httpx.Response) -> str:
    return re.findall("<h1>(.*?)</h1>", answer.text)[0]


def notice(answer: httpx.Response) -> str:
    return "".join(re.findall('<p class="notice" role="alert">(.*?)</p>', answer.text))


# -- origin and host --

MUTATING = ("/api/turns", "/api/votes", "/api/runs", "/api/rollback", "/api/users/ann/disable", "/login", "/logout")


@pytest.mark.parametrize("path", [*MUTATING, "/gradio_api/queue/join", "/gradio_api/run/predict"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:7861"},
        {"Origin": "http://127.0.0.1.evil.example:7860"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": URL, "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_no_other_site_changes_anything(
    room: Room, client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    secret = joined(room, "ann", "admin")
    answer = await client.post(path, json={}, headers={**headers, **cookie(secret)})
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "This request comes from another site.")


@pytest.mark.parametrize("headers", [{}, {"Origin": URL, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_these_pages_and_programs_do(room: Room, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    login = cookie(joined(room, "ann", "admin"))
    assert (await client.post("/api/invitations", json={}, headers={**headers, **login})).status_code == 201


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("[::1]:7860", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("169.254.169.254", 400),
        ("team.example", 400),
        ("", 400),
        ("[", 400),
    ],
)
async def test_only_known_names_are_answered(client: httpx.AsyncClient, host: str, status: int) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == status


async def test_names_can_be_added_and_an_address_of_the_machine_is_its_own_name(tmp_path: Path) -> None:
    async def statuses(settings: Settings, address: str) -> list[int]:
        transport = httpx.ASGITransport(app=guard.Guard(_ok, settings=settings))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{address}") as client:
            hosts = ("Team.Example", "other.example", address)
            return [(await client.get("/", headers={"Host": host})).status_code for host in hosts]

    settings = Settings(home=tmp_path, host="0.0.0.0", hosts=("team.example",))
    assert await statuses(settings, "192.0.2.9") == [200, 400, 200]


async def _ok(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with what it was asked by."""
    told = f"{scope['client'][0]} {scope['scheme']} {scope['state']['here']}".encode()
    names = b",".join(name for name, _ in scope["headers"] if name.startswith((b"x-forwarded", b"forwarded")))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-told", told), (b"x-names", names)]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "192.0.2.9:7860"])
async def test_no_answer_may_be_read_by_another_site(room: Room, host: str) -> None:
    secret = joined(room, "ann", "admin")
    async with client_of(room, pages=True, url=f"http://{host}") as client:
        for path in ("/", "/login", "/config", "/healthz", "/api/users", "/gradio_api/queue/data"):
            for origin in (EVIL, "null", "http://localhost:3000"):
                headers = {"Origin": origin, **cookie(secret)}
                read = await client.get(path, headers=headers)
                asked = await client.options(path, headers={**headers, "Access-Control-Request-Method": "POST"})
                for answer in (read, asked):
                    assert "access-control-allow-origin" not in answer.headers
                    assert "access-control-allow-credentials" not in answer.headers


async def test_every_answer_carries_the_policy_and_no_page_is_kept(room: Room) -> None:
    async with client_of(room, pages=True) as client:
        for path in ("/", "/login", "/api/users", "/nowhere", "/join/x", "/theme.css"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"] == guard.POLICY
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "same-origin"
    assert "unsafe" not in re.sub(r"(script|style)-src[^;]*;", "", guard.POLICY)
    assert "frame-ancestors 'none'" in guard.POLICY


# -- size --


async def test_too_large_a_body_is_told_so_with_a_length_or_without(room: Room) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000

    login = cookie(joined(room))
    async with client_of(room, pages=True) as client:
        for path in ("/api/turns", "/login", "/gradio_api/run/predict"):
            for body in (pieces(), b"x" * 400_000):
                answer = await client.post(path, content=body, headers=login)
                said = {"type": "TooLarge", "message": "At most 256 KB are taken in one request."}
                assert (answer.status_code, answer.json()["error"]) == (413, said)


async def test_an_event_has_room_for_the_longest_list_that_is_promised_and_no_more(room: Room) -> None:
    most = guard.ROOMY["/gradio_api/queue/join"]
    assert most >= 4 * LONGEST_LIST  # in UTF-8 a character takes up to four bytes
    async with client_of(room, pages=True) as client:
        headers = cookie(joined(room))
        answer = await client.post("/gradio_api/queue/join", content=b"x" * (most + 1), headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "TooLarge")


async def test_a_body_at_the_limit_is_taken(room: Room, client: httpx.AsyncClient) -> None:
    body = b'{"prompt": "' + b"a" * (guard.MAX_BODY - 14) + b'"}'
    headers = {"Content-Type": "application/json", **cookie(joined(room))}
    answer = await client.post("/api/turns", content=body, headers=headers)
    assert len(body) == guard.MAX_BODY
    assert answer.status_code == 400
    assert "at most 100,000" in answer.json()["error"]["message"]


async def test_who_waits_to_be_told_is_told_before_the_body(client: httpx.AsyncClient) -> None:
    sent = []

    async def pieces() -> AsyncIterator[bytes]:
        sent.append(1)
        yield b"x" * 300_000

    headers = {"Expect": "100-continue", "Content-Length": "300000"}
    assert (await client.post("/api/turns", content=pieces(), headers=headers)).status_code == 413
    assert sent == []


# -- proxies --


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("10.0.0.7", {}, "10.0.0.7 http False"),
        ("10.0.0.7", {"X-Forwarded-For": "192.0.2.5", "X-Forwarded-Proto": "https"}, "192.0.2.5 https False"),
        ("10.0.0.7", {"X-Forwarded-For": "6.6.6.6, 192.0.2.5, 10.1.2.3"}, "192.0.2.5 http False"),
        ("10.0.0.7", {"X-Forwarded-For": "nonsense"}, "10.0.0.7 http False"),
        ("10.0.0.7", {"X-Forwarded-Proto": "gopher"}, "10.0.0.7 http False"),
        ("192.0.2.6", {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}, "192.0.2.6 http False"),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.5"}, "127.0.0.1 http False"),
        ("10.0.0.7", {"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1 http False"),
        ("127.0.0.1", {}, "127.0.0.1 http True"),
        ("::ffff:127.0.0.1", {}, "::ffff:127.0.0.1 http True"),
    ],
)
async def test_only_known_proxies_say_who_asks(tmp_path: Path, peer: str, headers: dict[str, str], told: str) -> None:
    settings = Settings(home=tmp_path, proxies=("10.0.0.7", "10.1.0.0/16"))
    transport = httpx.ASGITransport(app=guard.Guard(_ok, settings=settings), client=(peer, 4000))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        answer = await client.get("/", headers=headers)
    assert (answer.headers["x-told"], answer.headers["x-names"]) == (told, "")


def test_proxies_that_are_no_addresses_and_proxies_without_a_login_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="proxies: 'proxy"):
        Settings(home=tmp_path, proxies=("proxy.example",))
    with pytest.raises(SetupError, match="answers no proxy"):
        Settings(home=tmp_path, open=True, proxies=("10.0.0.7",))


async def test_a_login_behind_https_is_sent_over_https_only(tmp_path: Path) -> None:
    room = Room(tmp_path, alone=False)
    object.__setattr__(room.settings, "proxies", ("127.0.0.1",))
    joined(room)
    form = {"name": "ann", "password": PASSWORD}
    async with client_of(room) as client:
        over = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.5", "Origin": "https://127.0.0.1:7860"}
        safe, plain = await client.post("/login", data=form, headers=over), await client.post("/login", data=form)
        mixed = await client.post("/login", data=form, headers={**over, "Origin": URL})
    assert [("Secure" in answer.headers["set-cookie"]) for answer in (safe, plain)] == [True, False]
    assert mixed.status_code == 403
    await room.close()


async def test_a_proxy_that_keeps_the_name_to_itself_is_told_apart_from_another_site(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, proxies=("10.0.0.7",))
    asked = {"Origin": "https://chat.example.org", "Host": "127.0.0.1:7860", "X-Forwarded-Proto": "https"}
    for peer, more in (
        ("10.0.0.7", " The proxy asked for 127.0.0.1:7860: it must pass on the name that browsers use (Host)."),
        ("192.0.2.1", ""),
    ):
        transport = httpx.ASGITransport(app=guard.Guard(_ok, settings=settings), client=(peer, 4000))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            answer = await client.post("/login", headers=asked)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            403,
            f"This request comes from another site.{more}",
        )


# -- rates --


def test_a_bucket_gives_what_is_in_it_and_fills_again() -> None:
    now = [0.0]
    buckets = Buckets(60, clock=lambda: now[0])
    for _ in range(60):
        buckets.take("ann")
    with pytest.raises(TooMany) as refused:
        buckets.take("ann")
    assert refused.value.wait_s == 1
    buckets.take("ben")
    now[0] += 2
    buckets.take("ann")
    buckets.take("ann")
    with pytest.raises(TooMany):
        buckets.take("ann")
    Buckets(0).take("ann")


def test_buckets_are_bounded_and_a_network_of_one_machine_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    buckets = Buckets(60)
    for n in range(100):
        buckets.take(f"192.0.2.{n}")
    assert len(buckets._left) == 10
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff") == "2001:db8::/64"
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("") == ""


async def test_a_user_who_asks_too_much_waits_and_others_do_not(tmp_path: Path) -> None:
    room = Room(tmp_path, alone=False)
    object.__setattr__(room.settings, "user_rate", 5)
    ann, ben = cookie(joined(room, "ann")), cookie(joined(room, "ben"))
    async with client_of(room) as client:
        answers = [await client.get("/api/conversations", headers=ann) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "12"
        assert answers[-1].json()["error"]["type"] == "TooMany"
        assert (await client.get("/api/conversations", headers=ben)).status_code == 200
        assert (await client.get("/healthz", headers=ann)).status_code == 200
    await room.close()


async def test_an_address_that_asks_too_much_waits_with_or_without_a_login(tmp_path: Path) -> None:
    room = Room(tmp_path, alone=False)
    object.__setattr__(room.settings, "address_rate", 3)
    async with client_of(room) as client:
        statuses = [(await client.get("/login")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    await room.close()


async def test_the_one_person_at_this_machine_is_not_counted(tmp_path: Path) -> None:
    room = Room(tmp_path)
    object.__setattr__(room.settings, "user_rate", 1)
    object.__setattr__(room.settings, "address_rate", 1)
    async with client_of(room) as client:
        assert {(await client.get("/api/conversations")).status_code for _ in range(5)} == {200}
    await room.close()


# -- the way in --


async def test_a_page_leads_to_the_login_and_back(room: Room) -> None:
    joined(room)
    async with client_of(room, pages=True) as client:
        away = await client.get("/?__theme=dark")
        assert (away.status_code, away.headers["location"]) == (303, "/login?next=%2F%3F__theme%3Ddark")
        form = await client.get(away.headers["location"])
        assert 'name="next" value="/?__theme=dark"' in form.text
        came = await client.post(
            "/login", data={"name": "ANN", "password": PASSWORD, "next": "/?__theme=dark"}, headers={"Origin": URL}
        )
        assert (came.status_code, came.headers["location"]) == (303, "/?__theme=dark")
        assert re.fullmatch(r"ftchat_7860=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", came.headers["set-cookie"])
        assert "gradio" in (await client.get("/")).text
        assert (await client.get("/login?next=/account")).headers["location"] == "/account"
        out = await client.post("/logout")
        assert (out.status_code, out.headers["location"]) == (303, "/login")
        assert (await client.get("/")).status_code == 303


async def test_what_is_not_a_page_says_that_there_is_no_login(room: Room) -> None:
    async with client_of(room, pages=True) as client:
        for path in ("/api/conversations", "/config", "/gradio_api/queue/data?session_hash=a", "/assets/x.js"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "NotLoggedIn")
        assert (await client.get("/api/conversations")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("where", "to"),
    [
        ("/", "/"),
        ("/?a=b&c=d", "/?a=b&c=d"),
        ("/account", "/account"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/login?next=/", "/"),
        ("/logout", "/"),
        ("", "/"),
        ('/"><script>', "/"),
    ],
)
async def test_a_login_goes_on_to_a_place_of_ours_only(
    room: Room, client: httpx.AsyncClient, where: str, to: str
) -> None:
    assert local(where) == to
    joined(room)
    form = await client.get("/login", params={"next": where})
    assert form.text.count("<script") == 0
    came = await client.post("/login", data={"name": "ann", "password": PASSWORD, "next": where})
    assert came.headers["location"] == to


async def test_a_wrong_password_is_said_on_the_form_and_too_many_of_them_wait(
    room: Room, client: httpx.AsyncClient
) -> None:
    joined(room)
    answers = [await client.post("/login", data={"name": '"<b>', "password": "wrong"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert notice(answers[0]) == "The name or the password is wrong."
    assert 'value="&quot;&lt;b&gt;"' in answers[0].text
    assert answers[-1].headers["retry-after"] == "1"
    assert notice(answers[-1]) == "Too many wrong passwords. Wait 1 s, then try again."


async def test_an_invitation_is_a_form_then_a_login_then_nothing(room: Room, client: httpx.AsyncClient) -> None:
    path = f"/join/{room.accounts.first_admin()}"
    form = await client.get(path)
    assert title(form) == "Join as admin"
    assert 'value="admin"' in form.text
    wrong = await client.post(path, data={"name": "admin", "password": PASSWORD, "again": "other"})
    assert (wrong.status_code, notice(wrong)) == (400, "The two passwords differ. Write them again.")
    came = await client.post(path, data={"name": "admin", "password": PASSWORD, "again": PASSWORD})
    assert (came.status_code, came.headers["location"]) == (303, "/")
    assert (await client.get("/api/users")).status_code == 200
    for again in (await client.get(path), await client.post(path, data={"name": "eve", "password": PASSWORD})):
        assert (again.status_code, title(again)) == (404, "This link does not work")
        assert "<form" not in again.text


async def test_a_password_is_changed_on_ones_account_page(room: Room, client: httpx.AsyncClient) -> None:
    assert (await client.get("/account")).headers["location"] == "/login?next=/account"
    client.cookies.set("ftchat_7860", joined(room), domain="127.0.0.1")
    assert "You are <b>ann</b>, rater." in (await client.get("/account")).text
    form = {"old": PASSWORD, "password": "another long one", "again": "another long one"}
    wrong = await client.post("/account", data={**form, "old": "no"})
    said = "The password that you have now is another one. Nothing was changed."
    assert (wrong.status_code, notice(wrong)) == (401, said)
    assert (await client.post("/account", data=form)).status_code == 303
    assert room.accounts.log_in("ann", "another long one", address="192.0.2.1")


async def test_a_link_followed_from_another_site_finds_the_login_that_is_there(client: httpx.AsyncClient) -> None:
    """A strict cookie does not come along from there: the page asks for itself once more."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    once = await client.get("/login", params={"next": "/?a=b&c=d"}, headers=headers)
    assert "<form" not in once.text
    assert 'content="0; url=/login?next=/%3Fa%3Db%26c%3Dd"' in once.text
    again = await client.get("/login?next=/%3Fa%3Db%26c%3Dd", headers={"Sec-Fetch-Site": "same-origin"})
    assert 'name="next" value="/?a=b&amp;c=d"' in again.text


async def test_the_login_page_loads_nothing_and_labels_its_fields(client: httpx.AsyncClient) -> None:
    page = (await client.get("/login")).text
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]
    assert "<script" not in page
    assert len(re.findall(r"<label>[^<]+<input", page)) == 2
    assert 'name="viewport" content="width=device-width' in page


async def test_the_login_page_has_the_colours_of_the_others(client: httpx.AsyncClient) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", (await client.get("/login")).text, re.DOTALL)
    for block, n in ((light, 0), (dark, 1)):
        colours = dict(re.findall(r"--([\w-]+): (#\w+);", block))
        assert colours == {name: theme.TOKENS[name][n] for name in colours}
        assert len(colours) == 10


async def test_with_open_there_is_nothing_to_log_in_to(tmp_path: Path) -> None:
    room = Room(tmp_path)
    async with client_of(room) as client:
        for path in ("/login", "/account"):
            assert (await client.get(path)).headers["location"] == "/"
    await room.close()


# -- the API's own way in --


async def test_a_token_comes_in_as_its_user_and_a_wrong_one_does_not_fall_back(
    room: Room, client: httpx.AsyncClient
) -> None:
    login = cookie(joined(room, "ann", "admin"))
    made = (await client.post("/api/tokens", json={"role": "rater", "name": "nightly"}, headers=login)).json()
    assert (made["user"], made["role"], made["token"][:3]) == ("api-rater", "rater", "ft_")
    asked = await client.post("/api/turns", json={"prompt": "hi"}, headers=bearer(made["token"]))
    assert asked.status_code == 200
    assert (await client.get("/api/conversations", headers=login)).json()["items"] == []
    for wrong in (bearer("ft_x"), bearer(""), {"Authorization": "bearer x"}):
        assert (await client.get("/api/conversations", headers={**login, **wrong})).status_code == 401
    listed = (await client.get("/api/tokens", headers=login)).json()["items"]
    assert [(token["name"], token["used"] is None) for token in listed] == [("nightly", False)]
    assert made["token"] not in str(listed)
    await client.post(f"/api/tokens/{made['id']}/revoke", headers=login)
    assert (await client.get("/api/conversations", headers=bearer(made["token"]))).status_code == 401


async def test_an_admin_invites_and_the_link_is_at_the_address_that_was_asked(
    room: Room, client: httpx.AsyncClient
) -> None:
    login = cookie(joined(room, "ann", "admin"))
    made = (await client.post("/api/invitations", json={"role": "reviewer"}, headers=login)).json()
    assert made["link"].startswith(f"{URL}/join/")
    assert title(await client.get(made["link"])) == "Join as reviewer"
    assert [one["id"] for one in (await client.get("/api/invitations", headers=login)).json()["items"]] == [made["id"]]
    await client.post(f"/api/invitations/{made['id']}/revoke", headers=login)
    assert (await client.get(made["link"])).status_code == 404


async def test_a_repeated_key_makes_no_second_secret_and_keeps_none(room: Room, client: httpx.AsyncClient) -> None:
    headers = {**cookie(joined(room, "ann", "admin")), "Idempotency-Key": "once"}
    for path, body in (
        ("/api/tokens", {"role": "rater"}),
        ("/api/invitations", {}),
        ("/api/users/ann/password-link", {}),
    ):
        first, again = [await client.post(path, json=body, headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 409)
        secret = first.json().get("token") or first.json()["link"].rsplit("/", 1)[1]
        assert secret not in str(room.store.rows("SELECT * FROM idempotency"))
    assert len(room.accounts.tokens()) == 1


async def test_using_a_login_is_written_down_from_time_to_time(room: Room, client: httpx.AsyncClient) -> None:
    login = cookie(joined(room))
    with room.store.writing() as db:
        db.conn.execute("UPDATE logins SET seen = seen - 1000")
    before = room.store.row("SELECT seen FROM logins")
    await client.get("/api/conversations", headers=login)
    after = room.store.row("SELECT seen FROM logins")
    await client.get("/api/conversations", headers=login)
    assert before is not None
    assert after is not None
    assert after["seen"] > before["seen"] + 900
    assert room.store.row("SELECT seen FROM logins") == after


@pytest.mark.parametrize("less", ["disable", "role", "logout"])
async def test_a_stream_ends_when_its_user_may_no_longer_see_it(room: Room, less: str) -> None:
    """The app goes on sending; nothing of it arrives."""
    secret, go_on = joined(room, "ann", "reviewer"), asyncio.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await go_on.wait()
        for piece in (b"two ", b"three"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        raise AssertionError("it was not stopped")

    app = guard.Guard(Gate(stream, parts=room.parts), settings=room.settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=URL) as client:
        reading = asyncio.create_task(client.get("/api/runs/n_1/events", headers=cookie(secret)))
        await asyncio.sleep(0.05)
        if less == "disable":
            room.accounts.set_disabled("ann", disabled=True)
        elif less == "role":
            room.accounts.set_role("ann", "rater")
        else:
            room.accounts.log_out(secret)
        go_on.set()
        assert (await reading).text == "one "


async def test_a_stream_of_somebody_else_goes_on(room: Room) -> None:
    ann, _ = joined(room, "ann"), joined(room, "ben")

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one ", b"two"):
            room.accounts.set_disabled("ben", disabled=True)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    app = guard.Guard(Gate(stream, parts=room.parts), settings=room.settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=URL) as client:
        assert (await client.get("/x", headers=cookie(ann))).text == "one two"
