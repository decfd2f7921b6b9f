"""Likely personal data and secrets in texts: named by kind and place, shown only by their first characters.

What is found is a hint for the people who review, and no more: nothing is removed, and not everything is found. Card
numbers and IBANs are taken only where their check digits are right. It knows texts, not feedback.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DIGITS = re.compile(r"(?<![\w.,])(?:\+|00)?\(?\d(?:[ ./()-]{0,3}\d){6,20}(?![\w])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_KEYS = re.compile(
    r"\bsk-[\w-]{16,}|\bgh[opsur]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|\bhf_\w{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_PREFIXES = (
    *("sk-", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xox", "hf_"),
    *("AKIA", "AIza", "eyJ", "-----BEGIN"),
)
_NAMED = re.compile(r"(?i)\b(?:api[ _-]?key|token|secret|password|passwd)\b[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?(\S{8,})")


@dataclass(frozen=True)
class Found:
    """Something in a text: what it is likely to be, and how it begins."""

    kind: str
    shown: str


_known: dict[bytes, tuple[Found, ...]] = {}  # by digest: texts may be long, and the homes that they are of large
_KNOWN = 1 << 17


def found(text: str) -> tuple[Found, ...]:
    """What is likely to be personal in a text, each once, in order of kinds. It is kept, as the card is made anew with
    every vote, of mostly the same texts."""
    key = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
    kept = _known.get(key)
    if kept is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        kept = _known[key] = tuple(dict.fromkeys(_all(text)))
    return kept


def _all(text: str) -> Iterator[Found]:
    if "@" in text:
        yield from (_hidden("email", match) for match in _EMAIL.findall(text))
    if any(prefix in text for prefix in _PREFIXES):
        yield from (_hidden("key", match) for match in _KEYS.findall(text))
    named = (match for match in _NAMED.findall(text) if re.search(r"\d", match))
    yield from (_hidden("key", match) for match in named)
    ibans = [match for match in _IBAN.findall(text) if _is_iban(match)]
    yield from (_hidden("IBAN", match) for match in ibans)
    yield from _numbers(_DIGITS.findall(text), beside=ibans)


def _numbers(matches: Iterable[str], *, beside: Iterable[str]) -> Iterator[Found]:
    for match in matches:
        digits = re.sub(r"\D", "", match)
        if any(digits in re.sub(r"\D", "", iban) for iban in beside):
            continue
        if 13 <= len(digits) <= 19 and _is_card(digits):
            yield _hidden("card", match)
        elif _is_phone(match, digits):
            yield _hidden("phone", match)


def _is_phone(match: str, digits: str) -> bool:
    """With a country code, or with a leading zero and in groups: a bare long number may be anything."""
    if match.startswith(("+", "00", "(+")):
        return 8 <= len(digits) <= 15
    grouped = re.search(r"[ /()-]", match) is not None
    return (
        grouped
        and 9 <= len(digits) <= 13
        and (digits.startswith("0") or re.match(r"\(?\d{3}\)?[ -]\d{3}", match) is not None)
    )


def _is_card(digits: str) -> bool:
    """Luhn's check."""
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return len(set(digits)) > 1 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check of ISO 7064: letters as numbers, the first four characters last, modulo 97."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _hidden(kind: str, match: str) -> Found:
    return Found(kind, f"{match.strip()[:2]}… ({len(match.strip())} characters)")
