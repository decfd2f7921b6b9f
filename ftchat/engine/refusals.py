"""What vLLM says when it does not answer, as the error that fits. Statuses and named parameters decide, never texts."""

import json

from ftchat.errors import (
    BadInput,
    EngineBusy,
    EngineError,
    EngineNotReady,
    TooLong,
    UnknownModel,
)

GONE = "The engine is starting or restarting: it answers in a moment."
_TOO_LONG = ("max_tokens", "input_tokens", "input_text")  # parameters that vLLM names when something does not fit


def check(status: int, content: bytes) -> None:
    """Raise the error for a refusal; nothing for success."""
    if status == 200:
        return
    message, param = said(content)
    if status == 404:
        raise UnknownModel("The engine does not serve that model just now: choose another or try again in a moment.")
    if status in (400, 413, 422) and param in _TOO_LONG:
        raise TooLong(f"This prompt and its answer do not fit the model. {message}")
    if status in (400, 413, 422):
        raise BadInput(f"The engine cannot take this request: {message}")
    if status in (401, 403):
        raise EngineError("The engine refused our key: set engine_key to the key it was started with.")
    if status == 429:
        raise EngineBusy("The engine has too many requests just now. Try again in a moment.")
    if status == 503:
        raise EngineNotReady(GONE)
    raise EngineError(f"The engine could not answer ({status}): {message}")


def is_vllms(content: bytes) -> bool:
    """Whether a refusal is vLLM's own: a path that it does not have at all is refused by its web server."""
    return _error(content) is not None


def said(content: bytes) -> tuple[str, str]:
    """What vLLM's error says, and the parameter it names."""
    return _error(content) or (content[:300].decode("utf-8", "replace") or "it gave no reason.", "")


def _error(content: bytes) -> tuple[str, str] | None:
    try:
        error = json.loads(content)["error"]
        return str(error["message"]), str(error.get("param") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
