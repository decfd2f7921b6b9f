"""Anything that can be sent: over HTTP by Schemathesis from the description, and into the validators by Hypothesis.

No answer is 500 or above, every answer is as the description says, and no error is other than ftchat's own.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from test_api_examples import furnished

from ftchat import exports, imports, web
from ftchat.config import TrainArgs, train_args
from ftchat.engine import Request
from ftchat.engine.endpoint import _body
from ftchat.errors import BadInput, Conflict
from ftchat.records import STANDINGS, Message, Params, Person, canonical, clean_text, group_key
from ftchat.store import words
from ftchat.web import openai, turns
from ftchat.web.shapes.turns import ParamsIn

CASES = 500  # of each validator; there are ten of them
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def fuzzed(cases: int = CASES) -> Callable[..., Any]:
    """The same cases each time: what fails here fails on every machine."""
    return settings(max_examples=cases, derandomize=True, **QUIET)  # type: ignore[arg-type]


# -- over HTTP --


@schemathesis.serializer("application/x-ndjson", "application/zip")
def lines(ctx: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


async def _busy(user: str, *, effort: str, args: dict[str, Any], key: str | None) -> Any:
    """Training is a child process of minutes: here another run is always on."""
    train_args({"effort": effort, **args})
    raise Conflict("Run n_0 is on. Wait for it or stop it first.")


class Served:
    """A furnished room behind a real HTTP server, in this process; and ids of everything that is in it."""

    def __init__(self, folder: Path) -> None:
        self.room = furnished(folder)
        self.room.pipeline.press = _busy  # type: ignore[method-assign]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.app = web.build(self.room.parts)
        config = uvicorn.Config(self.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]})
        self._thread.start()
        self.session = requests.Session()
        self.known = self._something()

    def _something(self) -> dict[str, str]:
        """One of everything that a call can name."""

        def post(path: str, **body: Any) -> Any:
            answer = self.session.post(self.url + path, json=body, timeout=30)
            assert answer.ok, answer.text
            return answer.json()

        chat, duel = post("/api/turns", prompt="hello"), post("/api/turns", prompt="hello", mode="compare")
        reply = chat["lanes"][0]["reply"]
        run = self.room.store.training.start_run(by="ann", base="b0", args=TrainArgs()).id
        self.room.store.training.update_run(run, stage="failed", reason="It was only started.")
        return {
            "turn": duel["turn"],
            "reply": reply,
            "conversation": chat["conversation"],
            "after": chat["turn"],
            "vote": post("/api/votes", turn=duel["turn"], winner="left")["vote"],
            "rating": post("/api/ratings", reply=reply, value="up")["rating"],
            "correction": post("/api/corrections", reply=reply, text="Better.")["correction"],
            "feedback": post("/api/corrections", reply=reply, text="Even better.")["correction"],
            "session": post("/api/sessions", prompts=["one"])["id"],
            "run": run,
            "name": "shop-v1",
            "invitation": post("/api/invitations")["id"],
            "token": post("/api/tokens", role="viewer")["id"],
        }

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._listening.close()
        self.session.close()
        self.room.store.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.close()


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@dataclass
class Attack:
    """What was sent, and which calls answered otherwise than the description says."""

    sent: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def attack(served: Served, *, cases: int) -> Attack:
    """Send what Schemathesis makes of the description, right and wrong; with known ids in it, half of the time."""
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(served.app.openapi())))
    done = Attack()

    def known(values: Any) -> Any:
        return {key: served.known.get(key, value) for key, value in values.items()}

    for operation in (result.ok() for result in schema.get_all_operations()):
        for mode in GenerationMode:

            @fuzzed(cases)
            @given(case=operation.as_strategy(generation_mode=mode), familiar=st.booleans())
            def answered(case: Any, familiar: bool) -> None:
                if familiar and case.path_parameters:
                    case.path_parameters = known(case.path_parameters)
                if familiar and isinstance(case.body, dict):
                    case.body = known(case.body)
                response = case.call(base_url=served.url, session=served.session, timeout=30)
                done.sent += 1
                case.validate_response(response, checks=CHECKS)

            if mode.is_positive or operation.path_parameters or operation.query or operation.body:
                try:
                    answered()
                except FailureGroup as err:  # told together at the end
                    done.failures[f"{operation.label} {mode}"] = f"{err}"
    return done


def test_no_call_that_the_description_allows_or_forbids_breaks_anything(served: Served) -> None:
    done = attack(served, cases=3)

    assert done.failures == {}
    assert done.sent > 200
    assert served.session.get(served.url + "/healthz", timeout=30).json() == {"status": "ok"}


@pytest.mark.soak
def test_no_call_breaks_anything_for_long(served: Served) -> None:
    done = attack(served, cases=150)

    assert done.failures == {}
    assert done.sent > 10_000


# -- validators and what is asked of the engine --

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)  # lone surrogates and NUL too
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
ANY_JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3), max_leaves=6
)
STORABLE = st.text(min_size=1, max_size=80).filter(lambda text: text.strip() and "\x00" not in text)


def storable(text: str) -> bool:
    return "\x00" not in text and text.encode("utf-8").decode("utf-8") == text


@fuzzed()
@given(text=ANY_JSON, limit=st.integers(0, 300))
def test_a_cleaned_text_can_be_stored_or_is_refused(text: Any, limit: int) -> None:
    try:
        cleaned = clean_text(text, what="It", limit=limit)
    except BadInput:
        return
    assert storable(cleaned)
    assert 0 < len(cleaned) <= limit
    assert group_key(cleaned) == group_key(cleaned.upper().swapcase() if cleaned.isascii() else cleaned)


NUMBERS = st.floats() | st.integers() | st.sampled_from([0, 1, -1, 2**63, 0.5, 1e308])
ALLOWED = {"model", "prompt", "n", "temperature", "top_p", "max_tokens", "stream", "stream_options", "seed", "stop"}


@fuzzed()
@given(
    params=st.fixed_dictionaries(
        {},
        optional={
            "temperature": NUMBERS,
            "top_p": NUMBERS,
            "max_tokens": st.integers() | st.sampled_from([1, 256]),
            "seed": st.integers() | st.none(),
            "stop": st.lists(ANY_TEXT, max_size=6).map(tuple),
        },
    ),
    model=ANY_TEXT,
)
def test_the_engine_is_asked_with_known_keys_and_finite_numbers_only(params: dict[str, Any], model: str) -> None:
    try:
        made = Params(**params)
    except BadInput:
        return
    body = _body(Request(model=model, token_ids=[1, 2], params=made))

    assert set(body) <= ALLOWED
    sent = json.dumps({**body, "model": ""}, allow_nan=False, ensure_ascii=False)
    assert storable(sent)
    assert 0 <= body["temperature"] <= 2
    assert body["max_tokens"] >= 1
    assert abs(body.get("seed", 0)) <= 2**63


class Defaults:
    """The only thing of a chat that params need."""

    def defaults(self) -> Params:
        return Params()


@fuzzed()
@given(body=st.dictionaries(st.sampled_from([*ParamsIn.model_fields, "other"]), ANY_JSON, max_size=5))
def test_params_of_a_client_are_params_or_refused(body: dict[str, Any]) -> None:
    try:
        made = turns.params_of(Defaults(), ParamsIn.model_validate(body))  # type: ignore[arg-type]
    except (ValidationError, BadInput):
        return
    assert made.max_tokens <= Params().max_tokens
    assert all(storable(stop) for stop in made.stop)


LARGEST = {
    **{"rank": 512, "alpha": 4096, "learning_rate": 0.1, "steps": 100_000, "warmup_steps": 100_000},
    **{"rows_per_step": 1024, "replay_per_step": 1024, "replay_share": 0.9, "batch_tokens": 1_000_000},
    **{"weight_decay": 1, "clip_norm": 1000, "evaluate_every": 100_000, "patience": 1000, "seed": 2**32 - 1},
}


@fuzzed()
@given(body=st.dictionaries(st.sampled_from([*TrainArgs.__dataclass_fields__, "lr"]), ANY_JSON, max_size=4))
def test_training_arguments_are_checked_or_refused(body: dict[str, Any]) -> None:
    try:
        made = train_args(body)
    except BadInput:
        return
    json.dumps(made.__dict__, allow_nan=False)
    assert made == replace(TrainArgs(), **body)
    for name, value in body.items():
        wanted = type(getattr(TrainArgs(), name))
        assert type(value) in ((int, float) if wanted is float else (wanted,))
        assert name == "effort" or 0 <= value <= LARGEST[name]


@fuzzed()
@given(name=ANY_TEXT, role=st.sampled_from(STANDINGS) | ANY_TEXT)
def test_a_person_has_a_role_of_the_table_or_is_none(name: str, role: Any) -> None:
    try:
        person = Person(name, role)
    except BadInput:
        person = None
    assert (person is not None) == (role in STANDINGS)


MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]) | ANY_JSON, "content": ANY_JSON}
)


@fuzzed()
@given(
    body=st.fixed_dictionaries(
        {"messages": st.lists(MESSAGE | ANY_JSON, max_size=4) | ANY_JSON},
        optional={"n": ANY_JSON, "stop": ANY_JSON, "max_tokens": ANY_JSON, "stream_options": ANY_JSON, "x": ANY_JSON},
    )
)
def test_a_completions_body_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        given_ = openai.CompletionIn.model_validate(body)
        messages = openai._read(given_)
        openai._params(Defaults(), given_)  # type: ignore[arg-type]
    except (ValidationError, BadInput):
        return
    assert messages[-1].role == "user"
    assert all(storable(message.content) for message in messages)


KEYS = ("messages", "prompt", "completion", "chosen", "rejected", "label", "kind", "value", "replies", "lane", "status")
ANY_LINE = ANY_TEXT | ANY_JSON.map(json.dumps) | st.dictionaries(st.sampled_from(KEYS), ANY_JSON).map(json.dumps)


@fuzzed()
@given(text=st.lists(ANY_LINE, max_size=4).map("\n".join), format_=st.sampled_from([None, *exports.FORMATS]))
def test_a_file_is_read_or_refused_with_its_lines(text: str, format_: Any) -> None:
    try:
        found = imports.read(text.encode("utf-8", "surrogatepass"), format_)
    except BadInput:
        return
    assert found


@st.composite
def judged(draw: Any) -> exports.Judged:
    """Any feedback that people could have given."""
    kind = draw(st.sampled_from(["vote", "rating", "correction"]))
    lanes = ["left", "right"] if kind == "vote" else [draw(st.sampled_from(["only", "left", "right"]))]
    said = [
        exports.Said(lane, draw(STORABLE), draw(STORABLE), draw(st.sampled_from(["stop", "cut"]))) for lane in lanes
    ]
    values = {"vote": ["left", "right", "tie", "both_bad"], "rating": ["up", "down"]}
    value = draw(
        st.sampled_from(values[kind])
        if kind in values
        else STORABLE.filter(lambda t: t.strip() != said[0].text.strip())
    )
    turns_ = draw(st.lists(st.tuples(STORABLE, STORABLE), max_size=2))
    head = [Message("system", draw(STORABLE))] if draw(st.booleans()) else []
    context = [m for asked, told in turns_ for m in (Message("user", asked), Message("assistant", told))]
    words_ = draw(st.lists(STORABLE, max_size=2))
    return exports.Judged(
        kind=kind,
        value=value,
        messages=(*head, *context, Message("user", draw(STORABLE))),
        replies=tuple(said),
        lane=None if kind == "vote" else lanes[0],
        status=draw(st.sampled_from(["pending", "approved", "rejected"])),
        split=draw(st.sampled_from([None, "train", "tune", "exam"])),
        rater=draw(STORABLE),
        reasons={"vote": {"left": words_}, "rating": words_ or None, "correction": None}[kind],
        comment=draw(STORABLE | st.just("")),
        instruction=draw(STORABLE) if kind == "correction" else "",
        blind=kind == "vote" and draw(st.booleans()),
    )


@fuzzed()
@given(feedback=judged())
def test_every_line_that_goes_out_comes_in_as_the_same(feedback: exports.Judged) -> None:
    for format_ in exports.FORMATS:
        for line in exports.WRITERS[format_](feedback):
            (read,) = imports.read((json.dumps(line, ensure_ascii=False) + "\n").encode())
            assert read.format == format_
            assert [canonical(again) for again in exports.WRITERS[format_](read.judged)] == [canonical(line)]
            if format_ == "raw":
                assert read.judged == feedback


@fuzzed()
@given(search=ANY_TEXT, owner=ANY_TEXT)
def test_any_search_is_a_query_that_sqlite_takes(search: str, owner: str, searched: Any) -> None:
    asked = words.query(search, owner=owner)
    if asked is not None:
        searched.rows("SELECT id FROM words WHERE words MATCH :q", {"q": asked})


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from ftchat.store import Store

    made = Store(tmp_path_factory.mktemp("searched") / "ftchat.db")
    yield made
    made.close()
