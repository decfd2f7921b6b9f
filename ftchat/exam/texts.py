"""Answers against the texts that people wanted: BLEU, ROUGE-L, chrF and exact match, as `evaluate` metrics.

Each is a subclass of evaluate.Metric over the library that the hub's metric of that name uses, so that nothing is
fetched. Importing `evaluate` takes seconds: it happens in the process of `python -m ftchat.exam`, not in the app.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU, BLEUScore
from sacrebleu.metrics.chrf import CHRF

NAMES = ("bleu", "rouge_l", "chrf", "exact")
_BLEU, _CHRF, _ROUGE = BLEU(), CHRF(), RougeScorer(["rougeL"])
_BLEU_OF_ONE = BLEU(effective_order=True)  # which changes the score of one answer, not what it counts
Texts = Sequence[str]


class _Texts(evaluate.Metric):  # type: ignore[misc]  # untyped
    """A metric over predictions and references, one reference each."""

    measure: Callable[[Texts, Texts], dict[str, float]]

    def _info(self) -> Any:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions: Texts, references: Texts) -> dict[str, float]:
        return type(self).measure(predictions, references)


class Bleu(_Texts):
    """Of the whole corpus, 0 to 100."""

    @staticmethod
    def measure(predictions: Texts, references: Texts) -> dict[str, float]:
        """BLEU of sacrebleu."""
        return {"bleu": _BLEU.corpus_score(predictions, [references]).score}


class Chrf(_Texts):
    """Of the whole corpus, 0 to 100."""

    @staticmethod
    def measure(predictions: Texts, references: Texts) -> dict[str, float]:
        """The chrF of sacrebleu."""
        return {"chrf": _CHRF.corpus_score(predictions, [references]).score}


class RougeL(_Texts):
    """The mean over answers, 0 to 1."""

    @staticmethod
    def measure(predictions: Texts, references: Texts) -> dict[str, float]:
        """ROUGE-L's F of rouge-score."""
        found = [rouge_l(prediction, wanted) for prediction, wanted in zip(predictions, references, strict=True)]
        return {"rouge_l": sum(found) / len(found)}


class Exact(_Texts):
    """The share of answers that are the wanted text, but for spacing."""

    @staticmethod
    def measure(predictions: Texts, references: Texts) -> dict[str, float]:
        """Equal but for white space."""
        same = [squeezed(p) == squeezed(r) for p, r in zip(predictions, references, strict=True)]
        return {"exact": sum(same) / len(same)}


def metrics() -> Any:
    """All four in one."""
    return evaluate.combine([kind(keep_in_memory=True) for kind in (Bleu, RougeL, Chrf, Exact)])


def of(predictions: Texts, references: Texts, *, by: Any = None) -> dict[str, float]:
    """All figures of some answers; `by` are metrics that were made before."""
    if not predictions:
        return {}
    found = (by or metrics()).compute(predictions=list(predictions), references=list(references))
    return {name: float(found[name]) for name in NAMES}


def bleu_of(text: str, wanted: str) -> BLEUScore:
    """What one answer adds to the BLEU of many: matches and lengths."""
    return _BLEU_OF_ONE.sentence_score(text, [wanted])


def bleu_over(parts: Sequence[BLEUScore]) -> float:
    """The BLEU of a corpus, from what each answer adds."""
    counts, totals = (_summed(each) for each in ([part.counts for part in parts], [part.totals for part in parts]))
    ours, wanted = sum(part.sys_len for part in parts), sum(part.ref_len for part in parts)
    return float(BLEU.compute_bleu(counts, totals, ours, wanted).score)


def _summed(each: Sequence[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*each, strict=True)]


def likeness(text: str, wanted: str) -> float:
    """How near one text is to another in letters and words, 0 to 100."""
    if squeezed(text) == squeezed(wanted):
        return 100.0
    return float(_CHRF.sentence_score(text, [wanted]).score)


def rouge_l(text: str, wanted: str) -> float:
    """ROUGE-L of one answer."""
    return float(_ROUGE.score(wanted, text)["rougeL"].fmeasure)


def squeezed(text: str) -> str:
    """A text without the white space that says nothing."""
    return re.sub(r"\s+", " ", text).strip()
