"""Who may what, for every call of the API and every function of the pages: by anonymous, each role, owner and other.

A new route or page function without a row in the tables fails here. What is refused must change nothing, and what is
somebody else's is not there. A page's session_hash is worth nothing with another login.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from room import Room

from ftchat import ui, web
from ftchat.errors import NotFound
from ftchat.records import STANDINGS, Person, Standing
from ftchat.ui.doorway import Bindings, Doorway
from ftchat.ui.upkeep import Upkeep

# gradio 6.31 (queueing.py, its analytics) asks pandas 3 for what that deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
URL = "http://127.0.0.1:7860"
PASSWORD = "three blue teapots"
SECRET = "Only ann asked this."


@dataclass(frozen=True)
class Row:
    """One call. `{names}` in its path and body are filled with what belongs to the owner."""

    least: Standing | None  # None: everybody, without a login too
    body: Any = None
    own: int = 200  # what is answered to those who may
    other: int | None = None  # what is answered about somebody else's; None: nobody's
    reads: bool = False  # reviewers and admins read what is somebody else's
    lists: str = ""  # of somebody else's, this must not be in the answer (but for reviewers, when `reads`)


ROUTES: dict[str, Row] = {
    "GET /healthz": Row(None),
    "GET /readyz": Row(None),
    "GET /metrics": Row("viewer"),
    "GET /openapi.json": Row("viewer"),
    # asking
    "POST /api/turns": Row("rater", {"prompt": "and then?", "conversation": "{conversation}"}, other=404),
    "POST /api/turns/{turn}/regenerate": Row("rater", {}, other=404),
    "POST /api/turns/{turn}/again": Row("rater", {}, own=409, other=404),
    "POST /api/turns/{turn}/stop": Row("rater", {}, other=404),
    "GET /api/turns/{turn}": Row("viewer", other=404, reads=True),
    "GET /api/conversations": Row("viewer", lists="{conversation}"),
    "GET /api/conversations/{conversation}": Row("viewer", other=404, reads=True),
    "GET /v1/models": Row("viewer"),
    "POST /v1/chat/completions": Row("rater", {"model": "base", "messages": [{"role": "user", "content": SECRET}]}),
    # judging
    "POST /api/votes": Row("rater", {"turn": "{compared}", "winner": "left"}, other=404),
    "POST /api/votes/{vote}/reasons": Row("rater", {"comment": "clear"}, other=404),
    "POST /api/votes/{vote}/undo": Row("rater", {}, other=404),
    "POST /api/ratings": Row("rater", {"reply": "{reply}", "value": "up"}, other=404),
    "POST /api/ratings/{rating}/undo": Row("rater", {}, other=404),
    "POST /api/corrections": Row("rater", {"reply": "{reply}", "text": "Better."}, other=404),
    "POST /api/corrections/{correction}/undo": Row("rater", {}, other=404),
    "GET /api/corrections/{correction}/similar": Row("rater", other=404),
    "POST /api/corrections/{correction}/similar": Row("rater", {"replies": ["{reply}"]}, other=404),
    "POST /api/redrafts": Row("rater", {"reply": "{reply}", "instruction": "shorter"}, own=409, other=404),
    "POST /api/sessions": Row("rater", {"prompts": ["What does the brie cost?"]}, own=201),
    "GET /api/sessions": Row("rater", lists="{session}"),
    "GET /api/sessions/{session}": Row("rater", other=404),
    "GET /api/sessions/{session}/next": Row("rater", other=404),
    "POST /api/sessions/{session}/skip": Row("rater", {"turn": "{turn}"}, own=409, other=404),
    "POST /api/sessions/{session}/end": Row("rater", {}, other=404),
    # review
    "GET /api/feedback": Row("rater", lists="{correction}", reads=True),
    "POST /api/feedback/review": Row("reviewer", {"ids": ["{correction}"], "status": "approved"}, other=200),
    "GET /api/feedback/export": Row("reviewer"),
    "POST /api/feedback/import": Row("admin", {"prompt": "How long?", "completion": "Two days."}),
    "GET /api/schedule": Row("viewer"),
    "GET /api/dataset": Row("reviewer"),
    "GET /api/dataset/rows": Row("reviewer"),
    "GET /api/feedback/{feedback}/adapters": Row("rater", other=404, reads=True),
    "GET /api/adapters/{name}/rows": Row("reviewer", own=404),
    "POST /api/people/{name}/withdraw": Row("admin", {}, own=404),
    # training and adapters
    "GET /api/pins": Row("reviewer"),
    "POST /api/pins": Row("reviewer", {"prompt": "Do you deliver?", "contains": ["yes"]}, own=201),
    "DELETE /api/pins/{pin}": Row("reviewer", own=404),
    "GET /api/progress": Row("viewer"),
    "POST /api/runs": Row("admin", {"args": {"lr": 1}}, own=400),
    "GET /api/runs": Row("viewer"),
    "GET /api/runs/{run}": Row("viewer", own=404),
    "GET /api/runs/{run}/events": Row("viewer", own=404),
    "POST /api/runs/{run}/stop": Row("admin", {}, own=404),
    "POST /api/runs/{run}/again": Row("admin", {}, own=404),
    "GET /api/adapters": Row("viewer"),
    "GET /api/adapters/{name}": Row("viewer", own=404),
    "GET /api/adapters/{name}/download": Row("reviewer", own=404),
    "POST /api/adapters/{name}/promote": Row("admin", {}, own=404),
    "POST /api/adapters/import": Row("admin", {"not": "a zip"}, own=400),
    "DELETE /api/adapters/{name}": Row("admin", own=404),
    "POST /api/rollback": Row("admin", {}, own=409),
    "GET /api/leaderboard": Row("viewer"),
    # accounts
    "GET /api/users": Row("admin"),
    "POST /api/users/{name}/role": Row("admin", {"role": "viewer"}, own=404),
    "POST /api/users/{name}/disable": Row("admin", {}, own=404),
    "POST /api/users/{name}/enable": Row("admin", {}, own=404),
    "POST /api/users/{name}/password-link": Row("admin", {}, own=404),
    "GET /api/invitations": Row("admin"),
    "POST /api/invitations": Row("admin", {"role": "admin"}, own=201),
    "POST /api/invitations/{invitation}/revoke": Row("admin", {}, own=404),
    "GET /api/tokens": Row("admin"),
    "POST /api/tokens": Row("admin", {"role": "admin"}, own=201),
    "POST /api/tokens/{token}/revoke": Row("admin", {}, own=404),
}
# The way in, which is for everybody and has tests of its own (test_guard.py); and what says that there is nothing.
WAY_IN = {
    *("GET /login", "POST /login", "POST /logout", "GET /join/{secret}", "POST /join/{secret}"),
    *("GET /account", "POST /account"),
    *(f"{method} /{api}/{{rest:path}}" for api in ("api", "v1") for method in ("GET", "HEAD", "POST", "PUT")),
    *(f"{method} /{api}/{{rest:path}}" for api in ("api", "v1") for method in ("PATCH", "DELETE", "OPTIONS", "TRACE")),
}
NOBODYS = {"run": "n_0", "pin": "p_0", "name": "nobody", "invitation": "i_0", "token": "a_0"}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path, alone=False)
    made.adapter()
    yield made
    await made.close()


def login(room: Room, name: str, role: Standing) -> dict[str, str]:
    """A new user, logged in."""
    secret = room.accounts.join(room.accounts.invite("admin", role)[1], name, PASSWORD)
    return {"Cookie": f"ftchat_7860={secret}"}


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=URL)


def below(role: Standing | None) -> Iterator[Standing]:
    return iter(STANDINGS[: STANDINGS.index(role)] if role else ())


class Belongings:
    """What belongs to one person, made when it is asked for."""

    def __init__(self, room: Room, owner: str) -> None:
        self._room, self._who = room, Person(owner, "rater")

    async def filled(self, value: Any) -> Any:
        """A path or body with its {names} replaced by ids."""
        if isinstance(value, dict):
            return {key: await self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [await self.filled(inner) for inner in value]
        if isinstance(value, str):
            for name in (
                "conversation",
                "compared",
                "voted",
                "turn",
                "reply",
                "vote",
                "rating",
                "correction",
                "feedback",
                "session",
            ):
                if f"{{{name}}}" in value:
                    value = value.replace(f"{{{name}}}", await getattr(self, name)())
            for name, id_ in NOBODYS.items():
                value = value.replace(f"{{{name}}}", id_)
        return value

    async def turn(self, mode: Any = "chat") -> str:
        made = await self._room.chat.ask(self._who, SECRET, mode=mode)
        await self._room.done(made, self._who)
        return made

    async def compared(self) -> str:
        return await self.turn("compare")

    async def voted(self) -> str:
        turn = await self.compared()
        await self._room.judging.vote(self._who, turn, "left")
        return turn

    async def conversation(self) -> str:
        return self._room.store.turns.get(await self.turn()).conversation

    async def reply(self) -> str:
        return self._room.store.turns.get(await self.turn()).replies[0].id

    async def vote(self) -> str:
        return (await self._room.judging.vote(self._who, await self.compared(), "left")).id

    async def rating(self) -> str:
        return self._room.judging.rate(self._who, await self.reply(), "up")

    async def correction(self) -> str:
        """One whose change fits other answers too."""
        reply = await self.reply()
        said = self._room.store.turns.turn_of(reply)[1].text
        return self._room.judging.correct(self._who, reply, f"{said} Warm wishes!")

    async def feedback(self) -> str:
        return await self.correction()

    async def session(self) -> str:
        return await self._room.parts.sessions.create(self._who, [SECRET])


async def call(client: httpx.AsyncClient, row: str, headers: dict[str, str], things: Belongings) -> httpx.Response:
    """One call of the API."""
    method, path = row.split()
    body = await things.filled(ROUTES[row].body)
    return await client.request(method, await things.filled(path), json=body, headers=headers)


async def test_every_route_has_a_row_and_every_row_a_route(room: Room) -> None:
    found = {
        f"{method} {route.path}"
        for route in web.build(room.parts).routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert found == {*ROUTES, *WAY_IN}


@pytest.mark.parametrize("role", [None, *STANDINGS[:-1]])
async def test_who_may_not_is_refused_and_nothing_changes(room: Room, role: Standing | None) -> None:
    headers = login(room, "eve", role) if role else {}
    wrong = []
    async with client_of(web.build(room.parts)) as client:
        refused = [name for name, row in ROUTES.items() if row.least and (role is None or role in below(row.least))]
        for name in refused:
            before = room.store.changes
            method, path = name.split()
            path = path.replace("{", "").replace("}", "")
            answer = await client.request(method, path, json=ROUTES[name].body, headers=headers)
            wanted = (401, "NotLoggedIn") if role is None else (403, "NotAllowed")
            if (answer.status_code, answer.json()["error"]["type"]) != wanted or room.store.changes != before:
                wrong.append((name, answer.status_code, answer.text[:100]))
    assert wrong == []
    assert len(refused) > 10


@pytest.mark.parametrize("role", STANDINGS)
async def test_who_may_does_it_with_their_own(room: Room, role: Standing) -> None:
    headers = login(room, "eve", role)
    wrong = []
    async with client_of(web.build(room.parts)) as client:
        for name, row in ROUTES.items():
            if role in below(row.least):
                continue
            answer = await call(client, name, headers, Belongings(room, "eve"))
            if answer.status_code != row.own:
                wrong.append((name, answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize("role", STANDINGS)
async def test_what_is_somebody_elses_is_not_there(room: Room, role: Standing) -> None:
    headers, ann = login(room, "eve", role), Belongings(room, "ann")
    reader = role in ("reviewer", "admin")
    wrong = []
    async with client_of(web.build(room.parts)) as client:
        for name, row in ROUTES.items():
            if role in below(row.least) or (row.other is None and not row.lists):
                continue
            hidden = await ann.filled(row.lists)
            answer = await call(client, name, headers, ann)
            wanted = row.own if row.other is None or (row.reads and reader) else row.other
            seen = bool(hidden) and hidden in answer.text
            if answer.status_code != wanted or seen != (bool(hidden) and row.reads and reader):
                wrong.append((name, answer.status_code, answer.text[:200]))
            if wanted == 404 and SECRET in answer.text:
                wrong.append((name, "tells", answer.text[:200]))
    assert wrong == []


async def test_a_token_may_what_its_own_role_may_and_no_more_than_its_user(room: Room) -> None:
    login(room, "eve", "reviewer")
    low = {"Authorization": f"Bearer {room.accounts.new_token('admin', 'viewer', user='eve')[1]}"}
    high = {"Authorization": f"Bearer {room.accounts.new_token('admin', 'reviewer', user='eve')[1]}"}
    async with client_of(web.build(room.parts)) as client:
        assert [(await client.get("/api/dataset", headers=h)).status_code for h in (low, high)] == [403, 200]
        room.accounts.set_role("eve", "viewer")
        assert [(await client.get("/api/dataset", headers=h)).status_code for h in (low, high)] == [403, 403]
        room.accounts.set_disabled("eve", disabled=True)
        assert [(await client.get("/api/leaderboard", headers=h)).status_code for h in (low, high)] == [401, 401]


# -- pages --


@dataclass(frozen=True)
class Page:
    """One page function, and what a browser sends it; `{names}` are filled with what belongs to the owner."""

    least: Standing
    data: list[Any] = field(default_factory=list)  # by input
    clicked: Any = None  # which button of a piece of HTML
    first: str = ""  # what a page does before it
    decides: bool = False  # admins do it with somebody else's, too
    leasts: tuple[Standing, ...] = ()  # where there are several by one name, of each


_PAGED: tuple[Standing, ...] = ("reviewer", "viewer", "admin", "admin")  # runs, adapters, users, tokens
# as they are, and the first two unfolded; adapters also after one was taken in
_LOOKED: tuple[Standing, ...] = (*["reviewer"] * 2, *["viewer"] * 3, "admin", "admin")
_HOW = ["champion", 0.7, 0.95, 64]
_QUESTION = "What does the brie cost?"
_LISTED = ["pending", "all", "", ""]
PAGES: dict[str, Page] = {
    "ComparePage.follow": Page("viewer", ["{compared}", None], first="ComparePage.anew"),
    "ComparePage.ask": Page("rater", [None, _QUESTION, "{compared}", "", "", True]),
    "ComparePage.settle": Page("viewer", ["{compared}"]),
    "ComparePage.offer": Page("viewer", clicked={"act": "offer", "value": "hello"}),
    "ComparePage.anew": Page("viewer"),
    "Choosing.choices": Page("viewer", ["", ""]),
    "ComparePage.resume": Page("viewer", ["{compared}", "{session}"]),
    "ComparePage.vote": Page("rater", ["{compared}"], clicked={"act": "left", "value": "{compared}"}),
    "ComparePage.ask_again": Page("rater", ["{voted}"]),
    "ComparePage.onward": Page("viewer", ["{session}"]),
    "ComparePage.start": Page("rater", ["One?\nTwo?"]),
    "ComparePage.go_on": Page("rater", clicked={"act": "go-on", "value": "{session}"}),
    "ComparePage.skip": Page("rater", ["{session}", "{voted}"], clicked={"act": "skip", "value": "{voted}"}),
    "ComparePage.end": Page("rater", ["{session}"]),
    "ComparePage.unfinished": Page("viewer"),
    "AfterVote.leave": Page("viewer"),
    "AfterVote.take_back": Page("rater", ["{voted}"]),
    "AfterVote.say": Page("rater", ["{voted}"], clicked={"act": "up", "value": "{reply}"}),
    "AfterVote.remark": Page("rater", ["{voted}", "Because."]),
    "AfterVote._opening.<locals>.open_editor": Page("rater", ["{voted}"]),
    "AfterVote._saving.<locals>.save": Page("rater", ["{voted}", "", "Better.", ""]),
    "Similar.look": Page("rater", clicked={"act": "similar", "value": "{correction}"}),
    "Similar.act": Page(
        "rater", clicked={"act": "similar-save", "value": "{correction}", "filled": ["{reply}", "{reply}"]}
    ),
    "Versions.view": Page("viewer", ["{compared}", "-"]),
    "Versions.act": Page("rater", ["{compared}"], clicked={"act": "regenerate", "value": ""}),
    "Comparisons.open": Page("viewer", ["", "-"], clicked={"act": "open", "value": "{conversation}"}),
    "Editor.closed": Page("viewer"),
    "Editor.differ": Page("rater", ["{reply}", "Better."]),
    "Editor.redraft": Page("rater", ["{reply}", "o_1", "shorter", ""]),
    "Editor.drafted": Page("viewer"),
    "ChatPage.follow": Page("viewer", ["{turn}", None], first="ChatPage.begin"),
    "ChatPage.ask": Page("rater", [None, _QUESTION, "{turn}", "", *_HOW]),
    "PromptRow.keep": Page("viewer"),
    "ChatPage.offer": Page("viewer", clicked={"act": "try", "value": "hello"}),
    "ChatPage.open": Page("viewer", ["", "-"], clicked={"act": "open", "value": "{conversation}"}),
    "ChatPage.begin": Page("viewer"),
    "ChatPage.end": Page("rater", ["{turn}"]),
    "ChatPage.resume": Page("viewer", ["{turn}"]),
    "ChatPage.act": Page("rater", ["{turn}", *_HOW], clicked={"act": "regenerate", "value": "{turn}"}),
    "ChatPage.reword": Page("rater", ["{turn}", "What does the gouda cost?", *_HOW]),
    "ChatPage.again": Page("viewer", ["{turn}"]),
    "ChatPage.correct": Page("rater", ["{turn}", "{reply}", "Better.", ""]),
    "Exchanges.put_away": Page("viewer"),
    "History.find": Page("viewer", ["brie", "-"]),
    "Sampling.choices": Page("viewer"),
    "TrainPage._pressing.<locals>.press": Page("admin", ["quick"]),
    "TrainPage.look": Page("admin", clicked={"act": "again", "value": "n_0"}),
    "TrainPage.pin": Page("reviewer", clicked={"act": "pin", "value": "", "filled": ["Hello!", "Hi", "", "^Hi"]}),
    "TrainPage.act": Page("admin", clicked={"act": "back", "value": "base"}),
    "Strip.keep_fresh.<locals>.fresh": Page("viewer", [{}]),
    "_wire_duels.<locals>.compare_chosen": Page("viewer", clicked={"act": "compare", "value": "shop-v1"}),
    "ReviewPage.open": Page("viewer", _LISTED),
    "ReviewPage.show": Page("viewer", _LISTED),
    "ReviewPage.again": Page("viewer", _LISTED, clicked={"act": "again", "value": ""}),
    "ReviewPage.act": Page("reviewer", _LISTED, clicked={"act": "approved", "value": "{correction}"}, decides=True),
    "ReviewPage.correct": Page("rater", [*_LISTED, "{reply}", "Better."]),
    "ReviewPage.leave": Page("viewer"),
    "ModelsPage.act": Page("admin", ["", ""], clicked={"act": "use", "value": "nobody"}),
    "Paged.look": Page("admin", [""], leasts=_LOOKED),
    "Paged.turn": Page("admin", ["", ""], clicked={"act": "page-further", "value": "x"}, leasts=_PAGED),
    "ModelsPage.measured": Page("viewer"),
    "SettingsPage.open": Page("admin", [""] * 4),
    "SettingsPage.act": Page("admin", [""] * 4, clicked={"act": "invite", "value": "", "filled": ["admin"]}),
}


class Browser:
    """A page that somebody has open: it calls page functions as gradio's own script does."""

    def __init__(self, pages: "Pages", headers: dict[str, str], session: str) -> None:
        self._pages, self._headers, self.session = pages, headers, session

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self._pages.client.post(f"/gradio_api/{path}", json=body, headers=self._headers)

    async def get(self, path: str) -> httpx.Response:
        return await self._pages.client.get(f"/gradio_api/{path}", headers=self._headers)

    async def call(self, index: int, data: list[Any], clicked: Any = None) -> str:
        """Everything that a page function answers; its states are set first, as if the session held them."""
        fn = self._pages.blocks.fns[index]
        state = self._pages.gradio.state_holder[self.session]
        sent = [*data, *[None] * (len(fn.inputs) - len(data))]
        for block, value in zip(fn.inputs, sent, strict=True):
            if isinstance(block, gr.State) and value is not None:
                state[block._id] = value
        sent = [None if isinstance(block, gr.State) else value for block, value in zip(fn.inputs, sent, strict=True)]
        body = {"session_hash": self.session, "fn_index": index, "data": sent, "event_data": clicked, "trigger_id": 0}
        if not fn.queue:
            return (await self.post("run/predict", **body)).text
        joined = await self.post("queue/join", **body)
        return joined.text + (await self.get(f"queue/data?session_hash={self.session}")).text


class Pages:
    """The pages of a room, without a network."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        door: Any = app.routes[-1]
        assert isinstance(door.app, Doorway)
        self.gradio: Any = door.app._app
        self.blocks: gr.Blocks = self.gradio.get_blocks()
        self.client = client_of(app)
        self._sessions = 0

    def open(self, headers: dict[str, str], session: str = "") -> Browser:
        self._sessions += 1
        return Browser(self, headers, session or f"page{self._sessions}")

    def functions(self, name: str) -> list[int]:
        """All that go by a name: one for each button."""
        return [index for index, fn in self.blocks.fns.items() if fn.fn and fn.fn.__qualname__ == name]


@pytest.fixture
async def pages(room: Room) -> AsyncIterator[Pages]:
    app = web.build(room.parts)
    ui.mount(app, room.parts)
    async with app.router.lifespan_context(app):
        made = Pages(app)
        async with made.client:
            yield made


def test_every_page_function_has_a_row_and_every_row_a_function(pages: Pages) -> None:
    assert {fn.fn.__qualname__ for fn in pages.blocks.fns.values() if fn.fn} == set(PAGES)


async def called(pages: Pages, headers: dict[str, str], name: str, things: Belongings) -> list[str]:
    """What each function of this name answers."""
    row, answers = PAGES[name], []
    for index in pages.functions(name):
        browser = pages.open(headers)
        if row.first:
            await browser.call(pages.functions(row.first)[0], [])
        answers.append(await browser.call(index, await things.filled(row.data), await things.filled(row.clicked)))
    return answers


def is_right(answer: str, least: Standing, role: Standing | None) -> bool:
    """Whether a page function answered as its row says."""
    if role is None:
        return '"NotLoggedIn"' in answer and '"data":' not in answer
    if role in below(least):
        return f"This is for {least}s; you are a {role} here." in answer
    return not any(sign in answer for sign in ("This is for", "NotLoggedIn", '"success":false', '"error":'))


def given(room: Room) -> list[Any]:
    """Everything that people said, and everything that was trained."""
    tables = ("votes", "ratings", "corrections", "voids", "reviews", "runs", "champions")
    return [room.store.rows(f"SELECT COUNT(*) AS n FROM {table}") for table in tables]


@pytest.mark.parametrize("role", [None, *STANDINGS])
async def test_a_page_function_refuses_whom_its_row_does_not_name(
    room: Room, pages: Pages, role: Standing | None
) -> None:
    headers = login(room, "eve", role) if role else {}
    things, wrong = Belongings(room, "eve"), []
    for name, row in PAGES.items():
        answers = await called(pages, headers, name, things)
        leasts = row.leasts or (row.least,) * len(answers)
        asked = zip(answers, leasts, strict=True)
        wrong += [(name, answer[:300]) for answer, least in asked if not is_right(answer, least, role)]
    assert wrong == []


@pytest.mark.parametrize("role", ["viewer", "rater", "admin"])
async def test_a_page_function_knows_nothing_of_what_is_somebody_elses(
    room: Room, pages: Pages, role: Standing
) -> None:
    headers, ann, wrong = login(room, "eve", role), Belongings(room, "ann"), []
    for name, row in PAGES.items():
        if "{" not in str(row.data) + str(row.clicked):
            continue
        filled = await ann.filled([row.data, row.clicked])
        before, browser = given(room), pages.open(headers)
        if row.first:
            await browser.call(pages.functions(row.first)[0], [])
        answer = await browser.call(pages.functions(name)[0], *filled)
        tells = SECRET in answer and role != "admin"  # admins read everything, and still change nothing of it
        if tells or (given(room) != before and not (row.decides and role == "admin")):
            wrong.append((name, answer[:300]))
    assert wrong == []
    assert {
        turn["owner"]
        for turn in room.store.rows(
            "SELECT t.owner FROM turns t JOIN conversations c ON c.id = t.conversation WHERE c.owner = 'ann'"
        )
    } == {"ann"}


async def test_a_user_who_is_shut_out_is_out_of_the_open_page_too(room: Room, pages: Pages) -> None:
    page = pages.open(login(room, "eve", "rater"))
    fresh = pages.functions("Strip.keep_fresh.<locals>.fresh")[0]
    assert "What you gave" in await page.call(fresh, [{}])
    room.accounts.set_disabled("eve", disabled=True)
    assert "NotLoggedIn" in await page.call(fresh, [{}])


# -- a session is its login's --


@asynccontextmanager
async def waiting(room: Room, pages: Pages, page: Browser) -> AsyncIterator[str]:
    """An event that runs: a question that waits for the engine."""
    room.reason = "loading"
    asks, said = pages.functions("ChatPage.ask"), [None, SECRET, "-", "", *_HOW]
    await page.call(asks[0], said)
    held = next(one for one in asks if any(kind == "change" for _, kind in pages.blocks.fns[one].targets))
    body = {"session_hash": page.session, "fn_index": held, "data": said, "trigger_id": 0}
    event = (await page.post("queue/join", **body)).json()["event_id"]
    while pages.blocks._queue.event_ids_to_events[event].alive is False:
        await asyncio.sleep(0.01)
    yield event
    room.reason = ""
    while event in pages.blocks._queue.event_ids_to_events:
        await asyncio.sleep(0.01)


Attempt = Callable[[Browser, str, str], Awaitable[httpx.Response]]
REPLAYS: dict[str, Attempt] = {
    "join": lambda who, session, _: who.post("queue/join", session_hash=session, fn_index=5, data=[], trigger_id=0),
    "run": lambda who, session, _: who.post("run/predict", session_hash=session, fn_index=8, data=[], trigger_id=0),
    "data": lambda who, session, _: who.get(f"queue/data?session_hash={session}"),
    "data, hidden behind one's own": lambda who, session, _: who.get(
        f"queue/data?session_hash={session}&session_hash={who.session}"
    ),
    "data, before one's own": lambda who, session, _: who.get(
        f"queue/data?session_hash={who.session}&session_hash={session}"
    ),
    "heartbeat": lambda who, session, _: who.get(f"heartbeat/{session}"),
    "cancel": lambda who, session, event: who.post("cancel", session_hash=session, fn_index=5, event_id=event),
    "cancel of another's event": lambda who, _, event: who.post(
        "cancel", session_hash=who.session, fn_index=5, event_id=event
    ),
    "reset": lambda who, _, event: who.post("reset", event_id=event),
    "reset with a session": lambda who, session, event: who.post("reset", event_id=event, session_hash=session),
}


@pytest.mark.parametrize("again", ["another user", "another login of the same user", "a token of the same user"])
async def test_with_anothers_session_hash_there_is_nothing(room: Room, pages: Pages, again: str) -> None:
    ann = pages.open(login(room, "ann", "admin"))
    headers = {
        "another user": lambda: login(room, "eve", "admin"),
        "another login of the same user": lambda: {
            "Cookie": f"ftchat_7860={room.accounts.log_in('ann', PASSWORD, address='192.0.2.1')}"
        },
        "a token of the same user": lambda: {
            "Authorization": f"Bearer {room.accounts.new_token('admin', 'admin', user='ann')[1]}"
        },
    }[again]()
    eve, found = pages.open(headers), {}
    async with waiting(room, pages, ann) as event:
        for name, attempt in REPLAYS.items():
            answer = await attempt(eve, ann.session, event)
            found[name] = (answer.status_code, answer.json()["error"]["type"])
        assert event in pages.blocks._queue.event_ids_to_events  # it runs on
    assert found == dict.fromkeys(REPLAYS, (404, "NotFound"))


async def test_without_a_login_a_session_hash_is_worth_nothing(room: Room, pages: Pages) -> None:
    ann, nobody = pages.open(login(room, "ann", "rater")), pages.open({})
    async with waiting(room, pages, ann) as event:
        for attempt in REPLAYS.values():
            assert (await attempt(nobody, ann.session, event)).status_code == 401


async def test_ones_own_session_goes_on_and_ones_own_event_can_be_cancelled(room: Room, pages: Pages) -> None:
    ann = pages.open(login(room, "ann", "rater"))
    async with waiting(room, pages, ann) as event:
        assert (await ann.post("reset", event_id=event)).status_code == 200
        assert (await ann.post("cancel", session_hash=ann.session, fn_index=24, event_id=event)).status_code == 200
    assert "What you gave" in await ann.call(pages.functions("Strip.keep_fresh.<locals>.fresh")[0], [{}])


BAD_BODIES = [
    *(b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"data": []}', b'{"session_hash": 7}', b'{"session_hash": "../x"}'),
    *(b'{"session_hash": "mine", "session_hash": "theirs"}', b'{"session_hash": ["a"]}', b'{"session_hash": ""}'),
    *(b"[" * 100_000, b'{"a":' * 40_000),
]


async def test_a_call_without_one_plain_session_hash_is_refused(room: Room, doorway: Doorway) -> None:
    headers, transport = login(room, "ann", "admin"), httpx.ASGITransport(app=doorway)
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
        for path in ("queue/join", "run/predict", "cancel"):
            for body in BAD_BODIES:
                answer = await client.post(f"/gradio_api/{path}", content=body)
                assert (body, answer.status_code, answer.json()["error"]["type"]) == (body, 400, "BadInput")


@pytest.fixture
def doorway(room: Room) -> Doorway:
    """In front of an app that nothing may reach."""

    async def beyond(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(f"{scope['method']} {scope['path']} came through")

    return Doorway(beyond, parts=room.parts, event_session=lambda event: None, upkeep=Upkeep(gr.Blocks()))


UNUSED = [
    *("GET /gradio_api/info", "GET /gradio_api/openapi.json", "GET /gradio_api/queue/status", "GET /monitoring"),
    *("GET /gradio_api/file=/etc/passwd", "GET /gradio_api/file/etc/passwd", "HEAD /gradio_api/file=http://x/"),
    *(
        "GET /gradio_api/file=..%2f..%2fetc%2fpasswd",
        "GET /gradio_api/proxy=http://127.0.0.1:9/",
        "GET /file=/etc/passwd",
    ),
    *("POST /gradio_api/upload", "GET /gradio_api/upload_progress", "POST /gradio_api/component_server"),
    *("GET /gradio_api/deep_link?session_hash=a", "GET /?deep_link=a", "GET /config?deep_link=../a"),
    *(
        "POST /gradio_api/call/ask",
        "POST /gradio_api/call/v2/ask",
        "GET /gradio_api/call/ask/e",
        "POST /gradio_api/run/ask",
    ),
    *("POST /gradio_api/api/ask", "POST /gradio_api/stream/e", "POST /gradio_api/stream/e/close"),
    *("GET /gradio_api/stream/a/b/1/playlist.m3u8", "GET /gradio_api/dev/reload", "GET /gradio_api/runs"),
    *("GET /gradio_api/token", "GET /gradio_api/user", "GET /gradio_api/login_check", "POST /gradio_api/vibe-edit"),
    *("POST /gradio_api/vibe-code", "GET /gradio_api/vibe-code", "POST /gradio_api/process_recording"),
    *("GET /gradio_api/custom_component/1/client/component/x.js", "GET /gradio_api/profiling/traces"),
    *("DELETE /", "PUT /config", "POST /", "GET /gradio_api/queue/join", "GET /gradio_api//file=/etc/passwd", "GET //"),
]


async def test_what_the_pages_do_not_use_is_not_there_for_an_admin_either(room: Room, doorway: Doorway) -> None:
    headers, transport = login(room, "ann", "admin"), httpx.ASGITransport(app=doorway)
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
        for what in UNUSED:
            method, path = what.split()
            body = {"session_hash": "a"} if method == "POST" else None
            assert (what, (await client.request(method, URL + path, json=body)).status_code) == (what, 404)


async def test_gradios_own_files_stay_in_their_folder(room: Room, pages: Pages) -> None:
    headers = login(room, "ann", "admin")
    for path in ("/static/..%2f..%2f..%2froutes.py", "/assets/%2e%2e/%2e%2e/routes.py", "/static//etc/passwd"):
        answer = await pages.client.get(path, headers=headers)
        assert answer.status_code >= 400
        assert "import" not in answer.text


def test_which_session_is_whose_is_bounded_and_the_longest_unused_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Bindings, "OF_ONE", 3)
    monkeypatch.setattr(Bindings, "OF_ALL", 5)
    bindings = Bindings()
    for session in ("a1", "a2", "a3"):
        bindings.claim(session, "ann")
    bindings.claim("a1", "ann")
    bindings.claim("a4", "ann")  # a2 was not used for longest
    bindings.claim("a2", "eve")
    for mine, other in (("a1", "eve"), ("a3", "eve"), ("a4", "eve"), ("a2", "ann")):
        with pytest.raises(NotFound):
            bindings.claim(mine, other)
    for n in range(100):
        bindings.claim(f"x{n}", f"login{n}")
    assert (len(bindings), len(bindings._of)) == (5, 5)
