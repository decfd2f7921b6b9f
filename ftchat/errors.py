"""Every way ftchat says no. Each message is a sentence for the person who reads it.

FtchatError
  BadInput            what was sent cannot be used (400)
    TooLong           the prompt does not fit the model's context (400)
    UnknownModel      the engine serves nothing by that name (404)
  NotLoggedIn         nobody knows who is asking (401)
  NotAllowed          this user may not do that (403)
  NotFound            no such thing, or not yours (404)
  Conflict            it cannot be done in the present state (409)
  TooMany             too much at once from one user or address (429)
  BadAdapter          an adapter folder that must not be served (400)
  EngineError         vLLM could not answer (502)
    EngineNotReady    vLLM is starting, restarting or gone (503)
    EngineBusy        too many requests at once (503)
    EngineTimeout     vLLM said nothing for too long (504)
    EngineGarbled     what answers there does not speak as vLLM does (502)
    AnswerCut         an answer ended before it was complete (502)
  StoreError          the database refused (500)
    HomeInUse         another ftchat holds this home (409)
    NewerSchema       the database was written by a newer ftchat (409)
  TrainingError       the trainer ended without an adapter (500)
  SetupError          this machine or these settings cannot run ftchat (500)
"""

import math


class FtchatError(Exception):
    """The base of all of them. `status` is the HTTP status that fits, `type` its stable name."""

    status = 500

    @property
    def type(self) -> str:
        """The error's name as API clients see it."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """The sentence for the user."""
        return str(self.args[0]) if self.args else self.type


class BadInput(FtchatError):
    """What was sent cannot be used."""

    status = 400


class TooLong(BadInput):
    """The prompt does not fit the model's context."""


class UnknownModel(BadInput):
    """The engine serves nothing by that name."""

    status = 404


class NotLoggedIn(FtchatError):
    """Nobody knows who is asking."""

    status = 401


class NotAllowed(FtchatError):
    """This user may not do that."""

    status = 403


class NotFound(FtchatError):
    """No such thing, or not yours."""

    status = 404


class Conflict(FtchatError):
    """It cannot be done in the present state."""

    status = 409


class TooMany(FtchatError):
    """Too much at once from one user or address; `wait_s` is when to come back."""

    status = 429

    def __init__(self, message: str, *, wait_s: float) -> None:
        """With whole seconds to wait, at least one."""
        super().__init__(message)
        self.wait_s = max(1, math.ceil(wait_s))


class BadAdapter(FtchatError):
    """An adapter folder that must not be served."""

    status = 400


class EngineError(FtchatError):
    """vLLM could not answer."""

    status = 502


class EngineNotReady(EngineError):
    """vLLM is starting, restarting or gone."""

    status = 503


class EngineBusy(EngineError):
    """Too many requests at once."""

    status = 503


class EngineTimeout(EngineError):
    """vLLM said nothing for too long."""

    status = 504


class EngineGarbled(EngineError):
    """What answers there does not speak as vLLM does."""


class AnswerCut(EngineError):
    """An answer ended before it was complete."""


class StoreError(FtchatError):
    """The database refused."""


class HomeInUse(StoreError):
    """Another ftchat holds this home."""

    status = 409


class NewerSchema(StoreError):
    """The database was written by a newer ftchat."""

    status = 409


class TrainingError(FtchatError):
    """The trainer ended without an adapter."""


class SetupError(FtchatError):
    """This machine or these settings cannot run ftchat."""
