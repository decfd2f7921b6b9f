"""Wordings: a small grammar for questions, and the way people type them.

"[a|b|]" in a template is a choice, which may hold further choices, and "{slot}" is filled afterwards. By a hash of its
words one wording in ten is kept out of training, so that wordings which were never trained can be measured. It knows
nothing about what a question means.
"""

import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

from ftchat.starter.dialogue import Exchange

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SPACES = re.compile(r" {2,}")
_LOOSE = re.compile(r" ([?.,!:])")
_TRIES = 200  # of templates with few wordings all may be on one side
_EXACT = frozenset(("not_sold", "named", "order", "repeat", "free"))  # the reply says words of these prompts back

TELL = (
    "[Can you tell me|Could you tell me|Please tell me|Tell me|Do you know|I would like to know|I want to know"
    "|I was wondering|Could you let me know|Any idea|May I ask|Just tell me|I need to know|Would you mind telling me]"
)

_GREETINGS = (
    "[Hi|Hello|Hey|Hi there|Good morning|Good evening|Good day|Dear shop|Hello again|Hey there|Excuse me][,|!|.|]"
)
_LEADS = (
    "[Quick|One|Another|A|Just a] [question|question please|small question]:", "I have a [question|quick question].",
    "[Sorry to bother you|Sorry|Pardon], [but|]", "Maybe you can help me.", "I hope you can help.",
    "[OK|Okay|Well|So|Right|Alright|Now|Then],", "Can you help me?", "Me again.", "Help me please.", "Listen,",
    "I am new here.", "[One more thing|Something else|Next question|Another thing]:", "By the way,", "Hmm,", "Please,",
)  # fmt: skip
_STORIES = (
    "I am [cooking|planning a dinner|baking] for [friends|my family|my boss|eight people] [tonight|on Friday"
    "|tomorrow].",
    "My [mother|sister|neighbour|wife|husband|friend|boss|son|aunt] [told me about you|loves your shop|sent me here].",
    "I [was|have been] in your shop [yesterday|last week|on Monday].",
    "I am [in a hurry|on a tight budget|on the phone].",
    "It is [my|my mother's|my friend's] birthday [soon|tomorrow|next week].", "I am looking around.",
    "We are [having guests|going on a picnic|moving house] [on Sunday|next week|soon].", "I found you on the internet.",
    "I am [writing a list|making a shopping list|comparing shops].", "I love [good food|cooking|your shop].",
)  # fmt: skip
_THANKS = "[Thanks!|Thank you.|please|Thanks a lot!|Thank you very much.|thx|Cheers.|Thanks in advance.|Please.]"
_CONTRACTIONS = (
    ("What is ", "What's "), ("Where is ", "Where's "), ("I would ", "I'd "), ("I am ", "I'm "), ("do not ", "don't "),
    ("How is ", "How's "), ("cannot ", "can't "), ("I have ", "I've "), ("It is ", "It's "), ("Who is ", "Who's "),
    ("did not ", "didn't "), ("does not ", "doesn't "), ("want to ", "wanna "), (" you ", " u "), ("Please", "Pls"),
)  # fmt: skip


def expand(rng: random.Random, template: str, **slots: str) -> str:
    """One of the texts that the template stands for."""
    while found := _CHOICE.search(template):
        template = template[: found.start()] + rng.choice(found[1].split("|")) + template[found.end() :]
    return filled(_LOOSE.sub(r"\1", _SPACES.sub(" ", template)).strip(), **slots)


def filled(wording: str, /, **slots: str) -> str:
    """The wording with its slots filled."""
    for name, value in slots.items():
        wording = wording.replace("{" + name + "}", value)
    return wording


def is_kept_out(wording: str) -> bool:
    """Whether training never sees this wording, its slots still open: one in ten."""
    return zlib.crc32(wording.lower().rstrip(".?!").encode()) % 10 == 0


def pick(rng: random.Random, templates: Sequence[str], *, held_out: bool = False, **slots: str) -> str:
    """A wording that training may see; with `held_out` one that it never sees, where there is any."""
    wording = expand(rng, rng.choice(templates))
    for _ in range(_TRIES):
        if is_kept_out(wording) == held_out:
            break
        wording = expand(rng, rng.choice(templates))
    return filled(wording, **slots)


def mistyped(rng: random.Random, text: str) -> str:
    """One letter left out, doubled, swapped or hit beside."""
    places = [index for index in range(1, len(text) - 2) if text[index].isalpha() and text[index + 1].isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    before, now, after = text[:place], text[place], text[place + 1 :]
    kind = rng.randrange(4)
    if kind == 0:
        return before + after
    if kind == 1:
        return before + now + now + after
    if kind == 2:
        return before + after[0] + now + after[1:]
    return before + rng.choice("aeiourstnl") + after


def _around(rng: random.Random, prompt: str) -> str:
    """A greeting, a lead or a story before it, thanks after it."""
    roll = rng.random()
    if roll < 0.08:
        prompt = f"{expand(rng, _GREETINGS)} {prompt}"
    elif roll < 0.14:
        prompt = f"{expand(rng, rng.choice(_LEADS))} {prompt}"
    elif roll < 0.2:
        prompt = f"{expand(rng, rng.choice(_STORIES))} {prompt}"
    if rng.random() < 0.07:
        prompt = f"{prompt} {expand(rng, _THANKS)}"
    return prompt


def _less_one_word(rng: random.Random, text: str) -> str:
    """The text less one short word in small letters, where there are four words or more."""
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if word.isalpha() and word.islower() and len(word) < 5]
    if len(words) < 4 or not places:
        return text
    place = rng.choice(places)
    return " ".join(words[:place] + words[place + 1 :])


def said_casually(rng: random.Random, exchange: Exchange) -> Exchange:
    """The same exchange as people type: in small letters, shortened, mistyped, after a greeting."""
    prompt, exact = exchange.prompt, exchange.kind in _EXACT
    if rng.random() < 0.3:
        for long, short in _CONTRACTIONS:
            if rng.random() < 0.5 and not exact:
                prompt = prompt.replace(long, short)
    if rng.random() < 0.22:
        prompt = prompt.rstrip("?.!") + ("??" if rng.random() < 0.06 else "")
    prompt = _around(rng, prompt)
    if not exact and rng.random() < 0.2:
        prompt = prompt.lower() if rng.random() < 0.9 else prompt.upper()
    if not exact and rng.random() < 0.1:
        prompt = mistyped(rng, prompt)
    if not exact and rng.random() < 0.12:
        prompt = _less_one_word(rng, prompt)
    return replace(exchange, prompt=prompt)
