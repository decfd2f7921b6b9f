"""Scenarios for `ftchat simulate`: small TOML files, each one house rule to teach, which a program can judge.

    name = "sign-off"                 # a short name
    about = "Answers end with ..."    # the rule in words
    facts = "products.csv"            # optional: a table beside the file; a column is a {placeholder}
    held_out_every = 3                # every third row of it is only ever held out
    [rule]                            # when a reply keeps the rule: all of these, where they are given
    contains = []                     # also: not_contains, regex, starts_with, ends_with, max_words
    [correction]                      # how a correction is made of the reply: replace = [["pattern", "with"]], prefix,
    suffix = " Warm wishes!"          # suffix, in this order; template replaces the reply where that is not enough
    [teach]                           # what feedback is given on; held_out: what is only asked
    count = 60
    prompts = ["What does the {name} cost?"]
    [held_out]
    ...
    [retention]                       # prompts of other kinds, whose answers should stay as they are
    prompts = ["When are you open?"]

Everything here is pure but for the reading. It does not know the app, an engine or who simulates.
"""

import csv
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftchat.errors import SetupError
from ftchat.records import Winner
from ftchat.starter import model_path

_SLOT = re.compile(r"\{([a-z_]+)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SPARE = 500
_TOP = {"name", "about", "facts", "held_out_every", "rule", "correction", "teach", "held_out", "retention"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One prompt, and what is true of the thing that it asks about."""

    prompt: str
    facts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a reply keeps the rule: every part that is given must hold. Texts are compared to the letter."""

    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    starts_with: str = ""
    ends_with: str = ""
    max_words: int = 0

    def broken(self, reply: str, facts: Mapping[str, str]) -> tuple[str, ...]:
        """What the reply breaks, in words; nothing when it keeps the rule."""
        text = reply.strip()
        found = [f"lacks {part!r}" for part in _filled(self.contains, facts) if part not in text]
        found += [f"has {part!r}" for part in _filled(self.not_contains, facts) if part in text]
        found += [f"does not match {p!r}" for p in self.regex if not re.search(_filled_pattern(p, facts), text)]
        if not text.startswith(start := filled(self.starts_with, facts)):
            found.append(f"does not start with {start!r}")
        if not text.endswith(end := filled(self.ends_with, facts)):
            found.append(f"does not end with {end!r}")
        if self.max_words and not 1 <= (words := len(text.split())) <= self.max_words:
            found.append(f"has {words} words, not 1 to {self.max_words}")
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Correction:
    """How a correction is made of a reply. `template` stands in for a reply that no edit mends."""

    replace: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    suffix: str = ""
    template: str = ""

    def edited(self, reply: str, facts: Mapping[str, str]) -> str:
        """The reply with the edits made."""
        text = reply.strip()
        for pattern, instead in self.replace:
            text = re.sub(_filled_pattern(pattern, facts), _filled_instead(instead, facts), text)
        return filled(self.prefix, facts) + text + filled(self.suffix, facts)

    @property
    def edits(self) -> bool:
        """Whether there is any edit."""
        return bool(self.replace or self.prefix or self.suffix)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A rule of the house, what to teach it with, and what to measure it on."""

    name: str
    about: str
    rule: Rule
    correction: Correction
    teach: tuple[Asked, ...]
    held_out: tuple[Asked, ...]
    retention: tuple[str, ...]
    spare: tuple[Asked, ...] = ()  # more questions about what is taught, none of them taught: for blind votes

    def is_kept(self, asked: Asked, reply: str) -> bool:
        """Whether the reply keeps the rule."""
        return not self.rule.broken(reply, asked.facts)

    def corrected(self, asked: Asked, reply: str) -> str:
        """What the reply should have been: edited where that is enough, else by the template."""
        edited = self.correction.edited(reply, asked.facts) if self.correction.edits else ""
        if edited and (self.is_kept(asked, edited) or not self.correction.template):
            return edited
        return filled(self.correction.template, asked.facts)

    def preferred(self, asked: Asked, left: str, right: str) -> Winner:
        """How someone votes who cares about this rule alone."""
        kept = self.is_kept(asked, left), self.is_kept(asked, right)
        if kept[0] == kept[1]:
            return "tie" if kept[0] else "both_bad"
        return "left" if kept[0] else "right"


def shipped_scenarios() -> tuple[Path, ...]:
    """The scenarios that ftchat ships for the practice model."""
    return tuple(sorted((model_path().parent / "scenarios").glob("*.toml")))


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file; an error names the file, the key, and what to do."""
    table = _Table(path, "", _parsed(path))
    table.refuse_others(_TOP)
    name = table.text("name")
    if not _NAME.fullmatch(name):
        raise table.wrong("name", f"is {name!r}: use 1 to 40 of a-z, 0-9 and '-'")
    taught, kept_out = _split_facts(table)
    rule, correction = _rule(table.table("rule")), _correction(table.table("correction"))
    scenario = Scenario(
        name=name,
        about=table.text("about"),
        rule=rule,
        correction=correction,
        teach=_prompts(table.table("teach"), taught),
        held_out=_prompts(table.table("held_out"), kept_out),
        retention=table.table("retention").texts("prompts"),
        spare=_spare(table.table("teach"), taught),
    )
    _check(table, scenario)
    return scenario


def filled(text: str, facts: Mapping[str, str]) -> str:
    """The text with its {placeholders} filled."""
    return _SLOT.sub(lambda slot: facts[slot[1]], text)


def _filled(texts: Sequence[str], facts: Mapping[str, str]) -> list[str]:
    return [filled(text, facts) for text in texts]


def _filled_pattern(pattern: str, facts: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: re.escape(facts[slot[1]]), pattern)


def _filled_instead(instead: str, facts: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: facts[slot[1]].replace("\\", r"\\"), instead)


class _Table:
    """A table of the file, read key by key; every refusal names the file and the key."""

    def __init__(self, path: Path, prefix: str, values: dict[str, Any]) -> None:
        self.path, self._prefix, self._values = path, prefix, values

    def wrong(self, key: str, what: str) -> SetupError:
        return SetupError(f"{self.path}: {self._prefix}{key} {what}.")

    def refuse_others(self, known: set[str]) -> None:
        if others := sorted(set(self._values) - known):
            raise self.wrong(others[0], f"is not a key here: use {', '.join(sorted(known))}")

    def value(self, key: str) -> Any:
        return self._values.get(key)

    def has(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str:
        if key not in self._values:
            raise self.wrong(key, "is missing: give it a text")
        value = self._values[key]
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "must be a text that is not empty")
        return value

    def maybe(self, key: str) -> str:
        return self.text(key) if self.has(key) else ""

    def some(self, key: str) -> tuple[str, ...]:
        return self.texts(key) if self.has(key) else ()

    def number(self, key: str, *, least: int) -> int:
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(key, f"must be a whole number from {least} on")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
            raise self.wrong(key, "must be a list of texts, at least one, none of them empty")
        return tuple(value)

    def table(self, key: str) -> "_Table":
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, f"is missing: add a table [{key}]")
        return _Table(self.path, f"{key}.", value)

    def pattern(self, key: str, text: str) -> str:
        try:
            re.compile(_SLOT.sub("x", text))
        except re.error as err:
            raise self.wrong(key, f"holds {text!r}, which is not a regular expression: {err}") from err
        return text


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise SetupError(f"{path} cannot be read: {err.strerror}. Name a scenario's TOML file.") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise SetupError(f"{path} is not valid TOML: {err}.") from err


def _split_facts(table: _Table) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows of facts to teach with, and those only ever held out; none where the file names no table of facts."""
    if not table.has("facts"):
        return [], []
    path, every = table.path.parent / table.text("facts"), table.number("held_out_every", least=2)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [dict(row) for row in csv.DictReader(file, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise table.wrong("facts", f"names {path.name}, which cannot be read as a CSV table: {err}") from err
    if uneven := [number for number, row in enumerate(rows, start=2) if None in row or None in row.values()]:
        raise table.wrong("facts", f"names {path.name}, whose row {uneven[0]} has not as many cells as the first")
    if len(rows) < every:
        raise table.wrong("facts", f"names {path.name}, which has only {len(rows)} rows under its heading")
    return [row for n, row in enumerate(rows) if (n + 1) % every], rows[every - 1 :: every]


def _rule(table: _Table) -> Rule:
    table.refuse_others({"contains", "not_contains", "regex", "starts_with", "ends_with", "max_words"})
    rule = Rule(
        contains=table.some("contains"),
        not_contains=table.some("not_contains"),
        regex=tuple(table.pattern("regex", pattern) for pattern in table.some("regex")),
        starts_with=table.maybe("starts_with"),
        ends_with=table.maybe("ends_with"),
        max_words=table.number("max_words", least=1) if table.has("max_words") else 0,
    )
    if rule == Rule():
        raise table.wrong("contains", "is missing, and every other part too: say when a reply keeps the rule")
    return rule


def _correction(table: _Table) -> Correction:
    table.refuse_others({"replace", "prefix", "suffix", "template"})
    correction = Correction(
        replace=_replacements(table) if table.has("replace") else (),
        prefix=table.maybe("prefix"),
        suffix=table.maybe("suffix"),
        template=table.maybe("template"),
    )
    if correction == Correction():
        raise table.wrong("template", "is missing, and every edit too: say how a correction is made")
    return correction


def _replacements(table: _Table) -> tuple[tuple[str, str], ...]:
    pairs = table.value("replace")
    if not isinstance(pairs, list) or not pairs:
        raise table.wrong("replace", 'must be a list of pairs: [["pattern", "with"]]')
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise table.wrong("replace", 'must be a list of pairs: [["pattern", "with"]]')
        try:
            re.sub(table.pattern("replace", pair[0]), pair[1], "")
            _groups_exist(_SLOT.sub("x", pair[0]), pair[1])
        except (re.error, IndexError) as err:
            raise table.wrong("replace", f"puts in {pair[1]!r}, which its pattern does not give: {err}") from err
    return tuple((pattern, instead) for pattern, instead in pairs)


def _groups_exist(pattern: str, instead: str) -> None:
    """Raises when the replacement names a group that the pattern lacks, which re.sub says only where it matches."""
    groups = re.compile(pattern).groups
    if missing := [int(number) for number in re.findall(r"\\(\d)", instead) if int(number) > groups]:
        raise IndexError(f"there is no group {missing[0]}")


def _prompts(table: _Table, rows: Sequence[dict[str, str]]) -> tuple[Asked, ...]:
    """Wordings by turns, each with another row; without a table of facts the wordings as they are."""
    table.refuse_others({"prompts", "count"})
    wordings = table.texts("prompts")
    if not rows:
        _refuse_slots(table, "prompts", wordings, known={})
        return tuple(Asked(prompt=wording, facts={}) for wording in wordings)
    _refuse_slots(table, "prompts", wordings, known=rows[0])
    count = table.number("count", least=1)
    if count > len(rows):
        raise table.wrong("count", f"is {count}, but there are only {len(rows)} rows of facts for it")
    chosen = [rows[number * len(rows) // count] for number in range(count)]
    pairs = [(wordings[number % len(wordings)], row) for number, row in enumerate(chosen)]
    return tuple(Asked(prompt=filled(wording, row), facts=row) for wording, row in pairs)


def _spare(table: _Table, rows: Sequence[dict[str, str]]) -> tuple[Asked, ...]:
    """The taught wordings with other rows than they are taught with: as many questions again, and again."""
    wordings = table.texts("prompts")
    chosen = {asked.prompt for asked in _prompts(table, rows)}
    turned = [
        Asked(prompt=filled(wordings[(number + shift) % len(wordings)], row), facts=row)
        for shift in range(len(wordings))
        for number, row in enumerate(rows)
    ]
    return tuple(asked for asked in turned if asked.prompt not in chosen)[:_SPARE]


def _refuse_slots(table: _Table, key: str, texts: Sequence[str], *, known: Mapping[str, str]) -> None:
    for text in texts:
        if unknown := [slot for slot in _SLOT.findall(text) if slot not in known]:
            columns = ", ".join(known) or "none, since no table of facts is named"
            raise table.wrong(key, f"has the placeholder {{{unknown[0]}}}; the columns are {columns}")


def _check(table: _Table, scenario: Scenario) -> None:
    """Refuse what would make a simulation say nothing: shared prompts, and corrections that break the rule."""
    rule, correction = scenario.rule, scenario.correction
    known = scenario.teach[0].facts
    texts = (*rule.contains, *rule.not_contains, *rule.regex, rule.starts_with, rule.ends_with)
    _refuse_slots(table, "rule", texts, known=known)
    put_in = (correction.prefix, correction.suffix, correction.template, *sum(correction.replace, ()))
    _refuse_slots(table, "correction", put_in, known=known)
    taught = [asked.prompt for asked in scenario.teach]
    kept_out = [asked.prompt for asked in scenario.held_out]
    for key, prompts in (("teach.prompts", taught), ("held_out.prompts", kept_out)):
        if twice := [prompt for prompt in prompts if prompts.count(prompt) > 1]:
            raise table.wrong(key, f"gives {twice[0]!r} twice: put a placeholder in it, or add wordings")
    if shared := sorted(set(taught) & {*kept_out, *scenario.retention} | set(kept_out) & set(scenario.retention)):
        raise table.wrong("held_out.prompts", f"or another list shares {shared[0]!r} with a second: each asks its own")
    if correction.template:
        for asked in scenario.teach:
            if broken := rule.broken(filled(correction.template, asked.facts), asked.facts):
                raise table.wrong("correction.template", f"breaks the rule for {asked.prompt!r}: it {broken[0]}")
