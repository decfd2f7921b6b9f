"""Settings: frozen values, read once. Defaults < ftchat.toml in the home < FTCHAT_* variables < command-line flags.

It knows names, types and bounds. It does not know what a part does with them.
"""

import argparse
import dataclasses
import ipaddress
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ftchat.errors import BadInput, SetupError

Beside = Literal["auto", "always", "never"]
Effort = Literal["quick", "normal", "thorough"]
EFFORTS: tuple[Effort, ...] = ("quick", "normal", "thorough")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one ftchat runs. Every field is a key of ftchat.toml, a variable FTCHAT_<NAME> and a flag --<name>."""

    home: Path = _setting(Path(), "folder with adapters/, data/ and ftchat.toml")
    name: str = _setting("assistant", "slug of the assistant; its adapters are called NAME-v1, NAME-v2, ...")
    model: str = _setting(
        "",
        "folder of the base model, or org/name@revision of a model hub; empty is the practice model that ftchat ships",
    )
    host: str = _setting("127.0.0.1", "address the app listens on")
    port: int = _setting(7860, "port the app listens on")
    open: bool = _setting(False, "no login: the one person at this machine is admin; loopback only")
    hosts: tuple[str, ...] = _setting(
        (),
        "names that browsers reach this app by (comma-separated), beside its address; the first admin's link is at the "
        "first",
    )
    proxies: tuple[str, ...] = _setting(
        (),
        "addresses or networks of reverse proxies with TLS (comma-separated) whose forwarded headers are believed; "
        "links then begin with https",
    )
    user_rate: int = _setting(1200, "requests a minute by one user, not counted with open; 0 is no limit")
    address_rate: int = _setting(6000, "requests a minute from one address, not counted with open; 0 is no limit")
    engine_url: tuple[str, ...] = _setting(
        (), "vLLM servers already running (comma-separated), instead of a managed one"
    )
    engine_key: str = _setting("", "API key of those servers")
    max_loras: int = _setting(0, "adapters that may answer in one batch; 0 is computed")
    max_cpu_loras: int = _setting(0, "adapters kept loaded; 0 is computed from the free memory")
    max_lora_rank: int = _setting(0, "largest rank of an adapter that can be served; 0 is computed")
    context_length: int = _setting(
        0, "longest prompt and answer together, in tokens; 0 is what the model and the KV cache allow"
    )
    kv_cache_gib: float = _setting(0.0, "memory for the engine's KV cache, in GiB; 0 is computed from the free memory")
    cpu_lora: bool = _setting(True, "mend LoRA in vLLM on CPU (right answers beside adapters, and speed)")
    max_tokens: int = _setting(256, "longest answer, in tokens, unless a request asks for less")
    temperature: float = _setting(0.7, "sampling temperature unless a request says otherwise")
    top_p: float = _setting(0.95, "nucleus sampling unless a request says otherwise")
    max_in_flight: int = _setting(32, "answers being written at once; further ones wait")
    few_shot_tokens: int = _setting(0, "tokens of a few-shot prompt for corrections; 0 is a third of the context")
    session_ahead: int = _setting(4, "questions of a rating session that are answered ahead of its rater")
    approve_own: bool = _setting(True, "feedback by reviewers and admins counts as approved when it is given")
    exam_groups: int = _setting(8, "exam groups below which no exam may promote")
    exam_level: float = _setting(0.05, "how often chance alone may look as good as what an exam promotes")
    exam_forgetting: float = _setting(0.05, "nats a token that answers which should stay may become less likely")
    exam_others: float = _setting(0.2, "share of the answers which should stay that may be other ones")
    exam_degenerate: float = _setting(0.1, "share of answers beyond the champion's that may be empty, endless or loops")
    exam_length: float = _setting(2.0, "how many times as long, or as short, as the wanted texts answers may be")
    exam_answers: int = _setting(24, "exam questions that are answered, and not only scored")
    vote_level: float = _setting(0.05, "how often blind votes may decide wrongly, however often one looks")
    schedule: str = _setting(
        "off", "when to retrain by itself: off, new (once enough feedback is new), or a cron expression in local time"
    )
    schedule_new: int = _setting(
        8, "new pieces of approved feedback that are enough; at least a fifth of what the last adapter was made from"
    )
    schedule_every_s: int = _setting(3600, "seconds between the beginnings of two runs, at least, by the schedule")
    schedule_effort: str = _setting("normal", "how hard the schedule tries: quick, normal or thorough")
    train_beside: Beside = _setting(
        "auto", "train while the engine runs: auto (on a GPU where both fit), always, or never (it stops meanwhile)"
    )
    webhook: str = _setting("", "an http or https address that is told when a run has ended; empty is none")
    backup_every_s: int = _setting(3600, "seconds between two backups of the database while the app runs; 0 is none")
    backups_hourly: int = _setting(24, "newest of those backups that are kept")
    backups_daily: int = _setting(14, "days of which the last of those backups is kept")

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the setting."""
        if not SLUG.fullmatch(self.name):
            raise SetupError(f"name is {self.name!r}: use 1 to 40 of a-z, 0-9 and '-', not starting with '-'.")
        for key, low, high in _BOUNDS:
            value = getattr(self, key)
            if not low <= value <= high and not (key in COMPUTED and value == 0):
                or_zero = ", or 0 to have it computed" if key in COMPUTED else ""
                raise SetupError(f"{key} is {value}: it must be between {low} and {high}{or_zero}.")
        if 0 < self.max_cpu_loras < self.max_loras:
            raise SetupError(f"max_cpu_loras ({self.max_cpu_loras}) must not be below max_loras ({self.max_loras}).")
        if self.open and self.host not in ("127.0.0.1", "localhost", "::1"):
            raise SetupError(
                f"open is on and host is {self.host}: without a login ftchat listens on 127.0.0.1 only. "
                "Leave out --open or --host."
            )
        if self.open and self.proxies:
            raise SetupError("open is on and proxies are set: without a login ftchat answers no proxy. Leave out one.")
        if self.train_beside not in get_args(Beside):
            raise SetupError(f"train_beside is {self.train_beside!r}: use auto, always or never.")
        networks(self.proxies)

    @property
    def url(self) -> str:
        """The app's address as somebody on this machine opens it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{_in_url(host)}:{self.port}"

    @property
    def address(self) -> str:
        """The app's address as others open it, as far as the settings say: under a name, and through a proxy by TLS."""
        if not self.hosts:
            return self.url
        name = _in_url(self.hosts[0])
        return f"https://{name}" if self.proxies else f"http://{name}:{self.port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(addresses: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks as they are compared with a peer's."""
    try:
        return tuple(ipaddress.ip_network(address, strict=False) for address in addresses)
    except ValueError as err:
        raise SetupError(f"proxies: {err}. Use addresses or networks, such as 10.0.0.7 or 10.0.0.0/24.") from err


COMPUTED = ("max_loras", "max_cpu_loras", "max_lora_rank", "context_length", "kv_cache_gib")  # where they are 0
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("port", 0, 65535),
    ("user_rate", 0, 10_000_000),
    ("address_rate", 0, 10_000_000),
    ("max_loras", 2, 64),
    ("max_cpu_loras", 2, 1024),
    ("max_lora_rank", 32, 512),  # up to 32 is what a training plan may choose by itself
    ("context_length", 128, 10_000_000),
    ("kv_cache_gib", 0.01, 4096),
    ("max_tokens", 1, 100_000),
    ("temperature", 0.0, 2.0),
    ("top_p", 0.01, 1.0),
    ("max_in_flight", 2, 4096),
    ("few_shot_tokens", 0, 1_000_000),
    ("session_ahead", 1, 50),
    ("exam_groups", 8, 10_000),
    ("exam_level", 0.001, 0.2),
    ("exam_forgetting", 0.0, 10.0),
    ("exam_others", 0.0, 1.0),
    ("exam_degenerate", 0.0, 1.0),
    ("exam_length", 1.1, 100.0),
    ("exam_answers", 1, 1000),
    ("vote_level", 0.001, 0.2),
    ("schedule_new", 1, 1_000_000),
    ("schedule_every_s", 0, 31_536_000),
    ("backup_every_s", 0, 604_800),
    ("backups_hourly", 1, 1000),
    ("backups_daily", 0, 1000),
)


def add_flags(parser: argparse.ArgumentParser, *, leaving_out: Collection[str] = ()) -> None:
    """One flag for each setting; what is not given stays None."""
    for setting in dataclasses.fields(Settings):
        if setting.name in leaving_out:
            continue
        flag, text = f"--{setting.name.replace('_', '-')}", setting.metadata["help"]
        if setting.type is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag, default=None, help=text)


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Merge the four sources into one Settings; a key that nobody knows is an error that names its place."""
    environ = os.environ if environ is None else environ
    types = {f.name: f for f in dataclasses.fields(Settings)}
    from_env = {k: environ[f"FTCHAT_{k.upper()}"] for k in types if f"FTCHAT_{k.upper()}" in environ}
    home = Path(flags.get("home") or from_env.get("home") or ".").expanduser().resolve()
    merged = {**_from_file(home / "ftchat.toml", known=set(types)), **from_env}
    merged |= {k: v for k, v in flags.items() if v is not None}
    values = {k: _coerce(k, v, default=types[k].default) for k, v in merged.items()}
    return Settings(**{**values, "home": home})


def where_from(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each setting has its value from: default, file, variable, flag, or computed at the start."""
    environ = os.environ if environ is None else environ
    types = {f.name: f for f in dataclasses.fields(Settings)}
    in_file = _from_file(settings.home / "ftchat.toml", known=set(types))

    def source(key: str) -> str:
        given = [("file", in_file.get(key)), ("variable", environ.get(f"FTCHAT_{key.upper()}"))]
        told = [(name, value) for name, value in given if value is not None]
        name, value = told[-1] if told else ("default", types[key].default)
        value = _coerce(key, value, default=types[key].default)
        if (value.expanduser().resolve() if key == "home" else value) == getattr(settings, key):
            return name
        return "computed" if key in COMPUTED else "flag"

    return {key: source(key) for key in types}


def _from_file(path: Path, *, known: set[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise SetupError(f"{path} is not valid TOML: {err}.") from err
    if "home" in found:
        raise SetupError(
            f"{path} names a home, and lies in one already. Leave home out there; give --home, or FTCHAT_HOME."
        )
    if unknown := sorted(set(found) - known):
        raise SetupError(f"{path} has a setting that ftchat does not know: {', '.join(unknown)}.")
    return found


def _coerce(key: str, value: Any, *, default: Any) -> Any:
    """A value from a file, a variable or a flag, as the type of its default."""
    try:
        if isinstance(default, bool):
            return value if isinstance(value, bool) else _truth(str(value))
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(p).strip().rstrip("/") for p in parts if str(p).strip())
        if isinstance(default, Path):
            return Path(value)
        return type(default)(value)
    except (TypeError, ValueError) as err:
        raise SetupError(f"{key} is {value!r}: expected {type(default).__name__}.") from err


def _truth(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(text)


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """One training run. Zero means: chosen by ftchat from the data and the model's width (see training.plan); but for
    what says otherwise."""

    effort: Effort = "normal"
    rank: int = 0
    alpha: int = 0
    learning_rate: float = 0.0
    steps: int = 0
    warmup_steps: int = 0
    rows_per_step: int = 0
    replay_per_step: int = 0
    replay_share: float = 0.9  # of the loss, by base's own answers; 0 is none
    batch_tokens: int = 2048
    weight_decay: float = 0.0  # 0 is none
    clip_norm: float = 1.0
    evaluate_every: int = 0  # steps
    patience: int = 0  # looks at the tune rows without gain, where there are enough of them
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse contradictions, naming both."""
        if self.effort not in EFFORTS:
            raise BadInput(f"effort is {self.effort!r}: use {', '.join(EFFORTS)}.")
        for field_ in dataclasses.fields(self):
            value, wanted = getattr(self, field_.name), type(field_.default)
            if isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else wanted):
                raise BadInput(f"{field_.name} is {value!r}: expected {wanted.__name__}.")
        for key, low, high in (
            ("rank", 0, 512),
            ("alpha", 0, 4096),
            ("learning_rate", 0.0, 0.1),
            ("steps", 0, 100_000),
            ("warmup_steps", 0, 100_000),
            ("rows_per_step", 0, 1024),
            ("replay_per_step", 0, 1024),
            ("replay_share", 0.0, 0.9),
            ("batch_tokens", 64, 1_000_000),
            ("weight_decay", 0.0, 1.0),
            ("clip_norm", 0.01, 1000.0),
            ("evaluate_every", 0, 100_000),
            ("patience", 0, 1000),
            ("seed", 0, 2**32 - 1),  # what every library's generator takes
        ):
            if not low <= getattr(self, key) <= high:
                raise BadInput(f"{key} is {getattr(self, key)}: it must be between {low} and {high}.")
        if self.steps and self.effort != "normal":
            raise BadInput(f"steps is {self.steps} and effort is {self.effort}, which chooses steps: leave out one.")
        if self.steps and self.warmup_steps > self.steps:
            raise BadInput(f"warmup_steps is {self.warmup_steps} and steps is {self.steps}: it cannot be more.")
        if self.replay_per_step and not self.replay_share:
            raise BadInput(f"replay_per_step is {self.replay_per_step} and replay_share is 0: leave out one.")


@dataclass(frozen=True, kw_only=True)
class GateArgs:
    """What an exam must show before a candidate is promoted by itself."""

    min_groups: int = 8
    level: float = 0.05
    replay_nll_rise: float = 0.05
    replay_others: float = 0.2
    degenerate_rise: float = 0.1
    length_ratio: float = 2.0


def train_args(given: Mapping[str, Any]) -> TrainArgs:
    """TrainArgs from a client's JSON object; an unknown key is refused by name."""
    known = {f.name for f in dataclasses.fields(TrainArgs)}
    if unknown := sorted(set(given) - known):
        raise BadInput(f"There is no training argument called {unknown[0]!r}. Known: {', '.join(sorted(known))}.")
    try:
        return TrainArgs(**given)
    except TypeError as err:
        raise BadInput(f"A training argument has the wrong type: {err}.") from err
