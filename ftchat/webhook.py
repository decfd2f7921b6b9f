"""Telling somebody outside that a run has ended: one POST with JSON, tried again for a while; never more than a word.

What is sent are names and figures, no text that anybody wrote. A run is over before it is told of, so that whatever
happens here breaks none. It does not follow redirects. Who listens is a setting: an address by http or https.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from ftchat.config import Settings
from ftchat.errors import SetupError
from ftchat.store import Store
from ftchat.store.told import Told

log = logging.getLogger(__name__)
WAITS_S = (2.0, 10.0, 60.0)  # before each further try
_TIMEOUT_S = 10.0
_LOOK_S = 2.0
_RECENT = timedelta(hours=1)  # what ended earlier, while no app was there to tell of it, is no news any more


class Webhook:
    """The listener of one app."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        """Over an open store; an address that is none is refused here, before anything starts."""
        self._store, self._settings, self._waits_s = store, settings, tuple(waits_s)
        self._url = listener(settings)
        self._transport = transport
        self._answers: dict[str, tuple[int | None, int, str]] = {}  # what came of it, until that is written down
        self._client: httpx.AsyncClient | None = None  # made when it is needed: it reads the machine's certificates

    @property
    def host(self) -> str:
        """Who is told, without path and secrets; empty when nobody is."""
        return f"{self._url.scheme}://{self._url.netloc.decode()}" if self._url else ""

    def last(self) -> Told | None:
        """What came of the last time."""
        return self._store.told.newest()

    async def keep(self) -> None:
        """Tell of each run that ends, until cancelled."""
        while self._url is not None:
            try:
                await self.tell()
            except Exception:  # a full disk, say: the next look may find it mended
                log.exception("It could not be told of the runs that have ended.")
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def tell(self) -> None:
        """Tell of the runs that have ended and that were not told of yet."""
        since = (datetime.now(UTC) - _RECENT).isoformat(timespec="milliseconds")
        for run, ended_at in await asyncio.to_thread(self._store.told.untold, since=since):
            if run not in self._answers:  # else only writing it down failed
                self._answers[run] = await self._post(self._said(run, ended_at))
                if trouble := self._answers[run][2]:
                    log.error("%s was not told that run %s has ended: %s", self.host, run, trouble)
            status, tries, trouble = self._answers[run]
            await asyncio.to_thread(self._store.told.keep, run, status=status, tries=tries, trouble=trouble)
            del self._answers[run]

    def _said(self, run: str, ended_at: str) -> dict[str, Any]:
        found = self._store.training.run(run)
        return {
            "event": "run.ended",
            "assistant": self._settings.name,
            "run": found.id,
            "by": found.by,
            "stage": found.stage,
            "verdict": found.verdict.decision if found.verdict else None,
            "reason": found.verdict.reasons[0] if found.verdict else found.reason,
            "adapter": found.adapter,
            "created_at": found.created_at,
            "ended_at": ended_at,
        }

    async def _post(self, said: dict[str, Any]) -> tuple[int | None, int, str]:
        """Status, tries and what is wrong. What is tried again is what may pass: silence, 429 and 5xx."""
        assert self._url is not None
        tries = 0
        while True:
            tries += 1
            status, trouble = await self._once(said)
            may_pass = status is None or status == 429 or status >= 500
            if not trouble or not may_pass or tries > len(self._waits_s):
                return status, tries, trouble
            await asyncio.sleep(self._waits_s[tries - 1])

    async def _once(self, said: dict[str, Any]) -> tuple[int | None, str]:
        assert self._url is not None
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, transport=self._transport, trust_env=False)
        try:
            answer = await self._client.post(self._url, json=said)
        except httpx.HTTPError as err:
            return None, f"It could not be reached ({type(err).__name__})."
        return answer.status_code, "" if answer.is_success else f"It answered {answer.status_code}."


def listener(settings: Settings) -> httpx.URL | None:
    """Who is told; an address that is none is refused."""
    if not settings.webhook:
        return None
    try:
        url = httpx.URL(settings.webhook)
    except httpx.InvalidURL as err:
        raise SetupError(f"webhook is no address ({err}). Use one such as https://example.org/hook.") from err
    if url.scheme not in ("http", "https") or not url.host:
        raise SetupError("webhook must be an address that begins with http:// or https://.")
    return url
