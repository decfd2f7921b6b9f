"""One vLLM server over HTTP: whether it is there, what it serves, and one attempt at each kind of request.

Bodies are built here from an allow-list, so nothing a client sends reaches vLLM unread. It tries nothing twice and
does not know of other endpoints: see the package's own module.
"""

import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import httpx

from ftchat.engine.refusals import GONE, check, is_vllms, said
from ftchat.engine.wire import Wire
from ftchat.errors import AnswerCut, BadAdapter, EngineError, EngineGarbled, EngineNotReady, EngineTimeout
from ftchat.records import Params

Ending = Literal["stop", "length"]
Health = Literal["live", "dead", "silent"]

_TIMEOUT = httpx.Timeout(600.0, connect=5.0)  # the first token of a queued request may take minutes
_QUICK = httpx.Timeout(5.0)
_PAUSE_S = 2.0  # an endpoint that was not there is asked last for so long,
_AWAY_S = 10.0  # and one whose health says so until it is looked at again
_STEP_S = 0.03  # between two looks at an answer: nobody reads more often
_STEP_EACH_S, _STEP_MOST_S = 0.003, 0.1  # the more are being written, the longer: each look takes from the others
_STEP_TOKENS = 16  # at most, in one event
_KNOWN_AFTER = 8  # tokens of an answer from which on its speed says something
_SSE_FIELDS = (b":", b"event:", b"id:", b"retry:")  # lines of an event stream that carry no text


@dataclass(frozen=True)
class Endpoint:
    """Where a vLLM server listens: its address without /v1, and its key."""

    url: str
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One answer to write: the name vLLM knows, the prompt's token ids, and how to sample."""

    model: str
    token_ids: Sequence[int]
    params: Params


@dataclass(frozen=True)
class Piece:
    """Some text of an answer, or of the reasoning before it. The last one has `finish` and the token counts."""

    text: str
    finish: Ending | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""


class Connection:
    """The client to one endpoint, and what is known of it from what it answered last."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None, keep: int) -> None:
        """`keep` is how many idle connections stay open."""
        self.url = endpoint.url.rstrip("/")
        self.in_flight = 0  # requests that it works on for us
        self.heard = time.monotonic()  # when it last sent some text or scores
        self.lacks: set[str] = set()  # names that it said it does not serve
        self._missing_until = 0.0
        self._speed = 0.0  # tokens a second of one answer, lately
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        self._transport = transport or Wire(keep=keep)
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers={**headers, "Accept-Encoding": "identity"},
            transport=self._transport,
            timeout=_TIMEOUT,
            trust_env=False,  # the engine is near: never through a proxy
        )
        self._asked_at = httpx.URL(f"{self.url}/v1/completions")
        self._headers = {**headers, "Content-Type": "application/json"}

    @property
    def missing(self) -> bool:
        """Whether it was not there a moment ago."""
        return self._missing_until > time.monotonic()

    def missed(self) -> None:
        """It was not there: for a moment it is asked last."""
        self._missing_until = time.monotonic() + _PAUSE_S

    async def health(self) -> Health:
        """Live, dead (it says so, or nobody listens), or silent: it may be busy, or hang."""
        try:
            response = await self._client.get("/health", timeout=_QUICK)
            health: Health = "live" if response.status_code == 200 else "dead"
        except httpx.TimeoutException:
            health = "silent"
        except httpx.RequestError:
            health = "dead"
        self._missing_until = 0.0 if health == "live" else time.monotonic() + _AWAY_S
        return health

    async def served(self) -> frozenset[str] | None:
        """The names it serves; None when it does not say."""
        try:
            response = await self._client.get("/v1/models", timeout=_QUICK)
            names = frozenset(str(card["id"]) for card in response.json()["data"])
        except (httpx.RequestError, ValueError, KeyError, TypeError):
            return None
        self.lacks -= names
        return names

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON answer of a request that is answered at once."""
        response = await self._ask(path, body)
        check(response.status_code, response.content)
        self.heard = time.monotonic()
        try:
            return response.json()
        except ValueError as err:
            raise EngineGarbled(_garbled(self.url)) from err

    async def pieces(self, request: Request) -> AsyncGenerator[Piece, None]:
        """One attempt at an answer. EngineNotReady when the connection fails, AnswerCut when the stream just ends."""
        found, begun, ended = _Reading(self.url), 0.0, 0.0
        step_s = min(max(_STEP_S, _STEP_EACH_S * self.in_flight), _STEP_MOST_S)
        asked = self._asking(_body(request) | self._together(step_s), step_s)
        try:
            # Straight to the transport: what the client does beside (cookies, redirects, text) costs as much again.
            response = await self._transport.handle_async_request(asked)
            try:
                if response.status_code != 200:
                    check(response.status_code, await response.aread())
                async for data in cast("httpx.AsyncByteStream", response.stream):
                    if texts := found.feed(data):
                        self.heard = ended = time.monotonic()
                        begun = begun or ended
                        yield Piece("".join(texts))
            finally:
                await response.aclose()
        except httpx.RequestError as err:
            raise _failed(err, self.url) from err
        last = found.end()
        self._learn_speed(last.completion_tokens, ended - begun)
        yield last

    def _together(self, step_s: float) -> dict[str, int]:
        """As many tokens in an event as come within a step: each is work for vLLM's server, and for whoever reads."""
        tokens = min(int(self._speed * step_s), _STEP_TOKENS)
        return {"stream_interval": tokens} if tokens > 1 else {}

    def _learn_speed(self, tokens: int, seconds: float) -> None:
        if tokens >= _KNOWN_AFTER and seconds > 0:
            speed = (tokens - 1) / seconds
            self._speed = 0.8 * self._speed + 0.2 * speed if self._speed else speed

    def _asking(self, body: Mapping[str, Any], step_s: float) -> httpx.Request:
        content = json.dumps(body, separators=(",", ":")).encode()
        more = {"timeout": _TIMEOUT.as_dict(), "step": step_s}
        return httpx.Request("POST", self._asked_at, headers=self._headers, content=content, extensions=more)

    async def load(self, name: str, path: str) -> None:
        """Serve the adapter in `path` under `name`. Already there under that name is success."""
        response = await self._ask("/v1/load_lora_adapter", {"lora_name": name, "lora_path": path})
        if response.status_code == 200 or (response.status_code == 400 and name in (await self.served() or ())):
            self.lacks.discard(name)
            return
        if response.status_code == 503 or await self.health() != "live":
            raise EngineNotReady(f"The engine went away while it was loading {name}.")
        if response.status_code in (401, 403):
            check(response.status_code, response.content)
        message = said(response.content)[0]
        if response.status_code == 404 and not is_vllms(response.content):
            raise EngineError(
                f"{self.url} takes no adapters while it runs: start that engine with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1."
            )
        low = "greater than max_lora_rank" in message
        advice = " Start that engine with --max-lora-rank of that rank or more." if low else ""
        raise BadAdapter(f"The engine refused the adapter {name}: {message}{advice}")

    async def unload(self, name: str) -> None:
        """Forget the name; answers being written finish. Not there is success."""
        response = await self._ask("/v1/unload_lora_adapter", {"lora_name": name})
        if response.status_code != 404:
            check(response.status_code, response.content)
        self.lacks.add(name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            return await self._client.post(path, json=body)
        except httpx.RequestError as err:
            raise _failed(err, self.url) from err


class _Reading:
    """The events of one streamed answer, read as they come."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rest = b""  # of a line that is not complete
        self._ending: str | None = None
        self._usage: Mapping[str, int] = {}

    def feed(self, data: bytes) -> list[str]:
        """The texts in the lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [text for line in lines for text in self._line(line)]

    def _line(self, line: bytes) -> list[str]:
        content = line.removeprefix(b"data:").strip()
        if content in (b"", b"[DONE]") or line.startswith(_SSE_FIELDS):
            return []
        try:
            event = json.loads(content)
            if "error" in event:
                check(int(event["error"].get("code") or 500), content)
            self._usage = event.get("usage") or self._usage
            for choice in event["choices"]:
                self._ending = choice["finish_reason"] or self._ending
            # A model may say NUL, which no stored text has.
            return [str(choice["text"]).replace("\x00", "\ufffd") for choice in event["choices"] if choice["text"]]
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise EngineGarbled(_garbled(self._url)) from err

    def end(self) -> Piece:
        """What the last piece says; a stream that ended without an ending was cut."""
        self._line(self._rest)
        if self._ending not in ("stop", "length"):
            raise AnswerCut("The engine broke off before this answer was complete. Ask again.")
        prompt, completion = (int(self._usage.get(f"{what}_tokens", 0)) for what in ("prompt", "completion"))
        return Piece("", cast("Ending", self._ending), prompt, completion)


def _body(request: Request) -> dict[str, Any]:
    """What vLLM is asked: these keys and no others."""
    params = request.params
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": list(request.token_ids),
        "n": 1,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if params.seed is not None:
        body["seed"] = params.seed
    if params.stop:
        body["stop"] = list(params.stop)
    return body


def _failed(err: httpx.RequestError, url: str) -> EngineError:
    """A connection that was not made, or broke, is an engine that is gone; one that says nothing for long is late."""
    if isinstance(err, httpx.DecodingError | httpx.UnsupportedProtocol):
        return EngineGarbled(_garbled(url))
    if isinstance(err, httpx.ReadTimeout | httpx.WriteTimeout):
        minutes = int(_TIMEOUT.read or 0) // 60
        return EngineTimeout(f"The engine said nothing for {minutes} minutes. Ask for less, or try again later.")
    return EngineNotReady(GONE)


def _garbled(url: str) -> str:
    return f"What answers at {url} does not speak as vLLM does: check engine_url."
