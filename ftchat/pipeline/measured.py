"""What was measured of contestants, kept: an exam that lost its app goes on with it, and Progress shows it.

It does not know what was asked, only its digest.
"""

import asyncio
import math

from ftchat.pipeline.means import Means


class Measured:
    """The scores that are kept for one base, each contestant's read when it is first asked about."""

    def __init__(self, means: Means) -> None:
        """Over the parts of a running app."""
        self._log, self._base = means.store.exams, means.base.fingerprint
        self._found: dict[str, dict[str, float]] = {}

    async def get(self, name: str, what: str) -> float | None:
        """NLL per token, if it was measured."""
        if name not in self._found:
            found = await asyncio.to_thread(self._log.scores, self._base, name)
            self._found.setdefault(name, found)
        return self._found[name].get(what)

    async def keep(self, name: str, what: str, nll: float) -> None:
        """Keep it; what is no number is no measurement that another look should find."""
        self._found[name][what] = nll
        if math.isfinite(nll):
            await asyncio.to_thread(self._log.keep_scores, self._base, name, {what: nll})
