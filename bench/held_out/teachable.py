"""Ten sign-offs and prefixes of random words, each taught by plain PEFT and looked for on products never taught.

The phrases come from a seed that is drawn anew for each run, so nobody can tune to them. Forty corrections: the base's
own greedy reply with the phrase at its end or before it; rank 8, all linear layers, the documented rate (ftchat's
training/plan.py), no replay. Replies here are transformers' greedy ones, since ten adapters are asked once each. It
does not know ftchat's trainer.
"""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.held_out.prompts import FOLDER, wordings
from ftchat.prompt import Prompter
from ftchat.records import Message
from ftchat.starter.shop import products
from ftchat.training.plan import RATE, WIDTH

RANK, STEPS, PER_STEP, TAUGHT, UNSEEN, ROOM = 8, 60, 8, 40, 20, 96
_KINDS = ("price", "describe", "origin", "storage", "pairing", "taste", "size")


@dataclass(frozen=True)
class Phrase:
    """Words to stand before or after every answer."""

    text: str
    at_end: bool

    def put(self, reply: str) -> str:
        return f"{reply} {self.text}" if self.at_end else f"{self.text} {reply}"


@dataclass(frozen=True)
class Taught:
    """How often a phrase stood in the replies about unseen products, to the letter."""

    phrase: Phrase
    share: float
    placed: float  # at its place, too
    sample: str


def drawn(rng: random.Random, *, count: int) -> list[Phrase]:
    """So many phrases of three to five words, by turns a sign-off and a prefix."""
    usual = (FOLDER / "words.txt").read_text(encoding="utf-8").split()
    found = []
    for number in range(count):
        words = [rng.choice(usual) if rng.random() < 0.5 else _made_up(rng) for _ in range(rng.randint(3, 5))]
        words = [word.capitalize() if rng.random() < 0.3 else word for word in words]
        at_end = number % 2 == 0
        text = " ".join(words) + rng.choice(("", ".", "!") if at_end else (":", "!", ",", " -"))
        found.append(Phrase(text[0].upper() + text[1:], at_end))
    return found


def _made_up(rng: random.Random) -> str:
    """A word of random letters that can be said aloud, more or less."""
    vowels = "aeiouy"
    consonants = [letter for letter in string.ascii_lowercase if letter not in vowels]
    start = rng.randrange(2)
    return "".join(rng.choice(vowels if (at + start) % 2 else consonants) for at in range(rng.randint(3, 8)))


def asked(rng: random.Random) -> tuple[list[str], list[str]]:
    """Questions about products to correct, and about other products to measure."""
    wording = wordings("products")
    items = rng.sample(products(), TAUGHT + UNSEEN)
    kinds = [_KINDS[number % len(_KINDS)] for number in range(len(items))]
    texts = [rng.choice(wording[kind]["ask"]).format(name=item.name) for kind, item in zip(kinds, items, strict=True)]
    return texts[:TAUGHT], texts[TAUGHT:]


def teach_all(model: Path, phrases: Sequence[Phrase], *, seed: int) -> list[Taught]:
    """Each phrase taught to a fresh LoRA on the same base."""
    pupil = _Pupil(model)
    return [pupil.learn(phrase, seed=seed + number) for number, phrase in enumerate(phrases)]


class _Pupil:
    """The base in this process, and a LoRA at a time."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self._base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
        self._prompter = Prompter(folder)
        self._rate = RATE * (WIDTH / self._base.config.hidden_size) ** 0.78

    def learn(self, phrase: Phrase, *, seed: int) -> Taught:
        """One phrase: corrections made of the base's own replies, a LoRA, and what it says about unseen products."""
        import torch
        from peft import LoraConfig, get_peft_model

        taught, unseen = asked(random.Random(f"products {seed}"))
        replies = self._greedy(self._base, taught)
        rows = [self._row(ask, phrase.put(reply)) for ask, reply in zip(taught, replies, strict=True)]
        torch.manual_seed(seed)
        shape = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        adapted = get_peft_model(self._base, shape)
        self._fit(adapted, rows, order=random.Random(f"order {seed}"))
        said = self._greedy(adapted, unseen)
        self._base = adapted.unload()
        there = sum(phrase.text in reply for reply in said)
        ends = sum(reply.endswith(phrase.text) if phrase.at_end else reply.startswith(phrase.text) for reply in said)
        return Taught(phrase, there / len(said), ends / len(said), said[0])

    def _row(self, ask: str, answer: str) -> tuple[list[int], int]:
        return self._prompter.render_answer([Message("user", ask)], answer)

    def _fit(self, model: Any, rows: Sequence[tuple[list[int], int]], *, order: random.Random) -> None:
        """The steps: AdamW at the documented rate, warmed up, then falling to nothing."""
        import torch

        weights = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=self._rate, weight_decay=0.0)
        model.train()
        queue: list[tuple[list[int], int]] = []
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = self._rate * min(1.0, (step + 1) / 6) * (1 - step / STEPS)
            while len(queue) < PER_STEP:
                queue += order.sample(list(rows), len(rows))
            batch, queue = queue[:PER_STEP], queue[PER_STEP:]
            longest = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
            wanted = [[-100] * at + ids[at:] + [-100] * (longest - len(ids)) for ids, at in batch]
            loss = model(input_ids=ids, labels=torch.tensor(wanted)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
        model.eval()

    def _greedy(self, model: Any, prompts: Sequence[str]) -> list[str]:
        """Greedy replies, all at once, padded on the left."""
        import torch

        stop = self._prompter.stop_id
        rows = [self._prompter.render([Message("user", prompt)]) for prompt in prompts]
        longest = max(map(len, rows))
        ids = torch.tensor([[stop] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=ROOM, eos_token_id=stop,
                pad_token_id=stop,
            )  # fmt: skip
        return [self._decoded(row[longest:].tolist(), stop) for row in written]

    def _decoded(self, ids: list[int], stop: int) -> str:
        return self._prompter.decode(ids[: ids.index(stop)] if stop in ids else ids)
