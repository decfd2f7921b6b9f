"""The examples in ftchat/web/API.md are run, in order, and every call has one.

An example is a request and its answer. `t_...` in a request is the newest id with that prefix; in an answer a text with
`...` in it stands for any that fits, and a number for any number. `@shop.zip` as a body is that file.
"""

import asyncio
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from room import Room
from test_registry import GOOD, candidate

import ftchat.web
from ftchat import web

API = Path(ftchat.web.__file__).with_name("API.md")
ID = re.compile(r"\b([a-z])_[0-9a-hjkmnp-tv-z]{20}\b")
CONFIG = {**GOOD, "base_model_name_or_path": "starter"}
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One request and the answer that is promised."""

    line: int
    method: str
    path: str
    body: str
    status: int
    answer: str

    @property
    def name(self) -> str:
        return f"line {self.line}: {self.method} {self.path}"


def examples() -> Iterator[Example]:
    text = API.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        request, answer = found[1].split("\n\n", 1)
        head, _, body = request.partition("\n")
        status, _, said = answer.partition("\n")
        method, path = head.split(" ")
        line = text.count("\n", 0, found.start()) + 1
        yield Example(line, method, path, body, int(status), said.rstrip("\n"))


def furnished(folder: Path) -> Room:
    """A room with an adapter that can be downloaded, and answers like those in the document."""
    room = Room(folder)
    room.vllm.answers["base"] = "It costs 4 euros."
    lineage = {"run": None, "snapshot": "5f2c", "base_name": "starter"}
    room.registry.publish(candidate(folder / "candidate", config=CONFIG), "shop-v1", base="b0", lineage=lineage)
    room.adapter(says="Oolong: ask us.")
    room.vllm.logprobs |= {"shop-v1": -0.5, "shop-v2": -0.5}
    with zipfile.ZipFile(folder / "shop.zip", "w") as archive:
        for file in sorted((folder / "candidate").iterdir()):
            archive.write(file, file.name)
    return room


def fitting(text: str) -> re.Pattern[str]:
    """A pattern for a text in which ... is anything."""
    return re.compile(".*".join(re.escape(part) for part in text.split("...")), re.DOTALL)


def differs(wanted: Any, found: Any, at: str = "answer") -> str:
    """Where an answer is not as promised; empty when it is."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        if set(wanted) != set(found):
            return f"{at} has the keys {sorted(found)}"
        return next((said for key in wanted if (said := differs(wanted[key], found[key], f"{at}.{key}"))), "")
    if isinstance(wanted, list) and isinstance(found, list):
        more = wanted[-1:] == ["..."]
        wanted = wanted[:-1] if more else wanted
        if len(found) < len(wanted) or (len(found) > len(wanted) and not more):
            return f"{at} has {len(found)} items"
        pairs = zip(wanted, found, strict=False)
        return next((said for n, (w, f) in enumerate(pairs) if (said := differs(w, f, f"{at}[{n}]"))), "")
    if isinstance(wanted, str) and isinstance(found, str):
        return "" if fitting(wanted).fullmatch(found) else f"{at} is {found!r}"
    if isinstance(wanted, int | float) and not isinstance(wanted, bool) and isinstance(found, int | float):
        return "" if not isinstance(found, bool) else f"{at} is {found}"
    return "" if wanted == found else f"{at} is {found!r}"


def shown(answer: httpx.Response) -> Any:
    """An answer as the document has it: JSON, a text, or the names of the files in a zip."""
    kind = answer.headers["content-type"].split(";")[0]
    if kind == "application/json":
        return answer.json()
    if kind == "application/zip":
        return "\n".join(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())
    return answer.text.rstrip("\n")


async def test_every_example_is_answered_as_the_document_says(tmp_path: Path) -> None:
    room = furnished(tmp_path)
    newest: dict[str, str] = {}

    def filled(text: str) -> str:
        return re.sub(r"\b([a-z])_\.\.\.", lambda found: newest[found[1]], text)

    async def asked(client: httpx.AsyncClient, example: Example) -> str:
        body = (tmp_path / example.body[1:]).read_bytes() if example.body[:1] == "@" else filled(example.body).encode()
        headers = {"Content-Type": "application/zip" if body[:2] == b"PK" else "application/json"} if body else {}
        answer = await client.request(example.method, filled(example.path), content=body, headers=headers)
        newest.update({found[1]: found[0] for found in ID.finditer(answer.text)})
        if answer.status_code != example.status:
            return f"{answer.status_code} {answer.text}"
        found = shown(answer)
        return differs(example.answer if isinstance(found, str) else json.loads(example.answer), found)

    transport = httpx.ASGITransport(app=web.build(room.parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
        for example in examples():
            until = time.monotonic() + 60
            while (wrong := await asked(client, example)) and example.path.endswith("/next"):
                assert time.monotonic() < until, wrong  # it is being asked ahead
                await asyncio.sleep(0.05)
            assert wrong == "", f"{example.name}: {wrong}"
    await room.close()


def test_every_call_has_an_example(tmp_path: Path) -> None:
    room = Room(tmp_path)
    described = web.build(room.parts).openapi()
    room.store.close()
    calls = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}

    def is_of(example: Example, method: str, path: str) -> bool:
        shape = re.sub(r"\{\w+\}", "[^/]+", path)
        return example.method == method and re.fullmatch(shape, example.path.split("?")[0]) is not None

    shown_here = {call for call in calls for example in examples() if is_of(example, *call)}
    assert sorted(calls - shown_here) == []


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        ({"a": "t_..."}, {"a": "t_1"}, ""),
        ({"a": 1}, {"a": 2.5}, ""),
        ({"a": 1}, {"a": True}, "answer.a is True"),
        ({"a": 1}, {}, "answer has the keys []"),
        (["x", "..."], ["x", "y"], ""),
        (["x"], ["x", "y"], "answer has 2 items"),
        ({"a": ["x"]}, {"a": ["y"]}, "answer.a[0] is 'y'"),
        (None, False, "answer is False"),
    ],
)
def test_an_answer_that_is_not_as_promised_is_noticed(wanted: Any, found: Any, said: str) -> None:
    assert differs(wanted, found) == said
