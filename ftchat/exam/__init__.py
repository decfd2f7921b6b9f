"""The exam: candidate, champion, base and few-shot on the same exam rows, through the same engine; and the verdict.

  paper.py     which rows are asked, for what
  measure.py   how likely everyone finds the wanted texts: NLL, paired by row; preferences; what must be kept
  answers.py   what they answer, greedily: to the exam rows, the pins, and what was bad or liked before
  guards.py    what an answer must not be, and what a pin demands
  judging.py   the process that judges answers: __main__.py, judged.py, and texts.py with its `evaluate` metrics
  chance.py    sign-flip test, shuffle test, paired bootstrap
  scores.py    what was measured, as values
  verdict.py   `decide`: PROMOTE, REJECT or INSUFFICIENT, with the reasons in words

`decide` and the tests of chance are pure. It does not know how a candidate was made or loaded.
"""

from ftchat.exam.answers import PIN_ROOM, Asking, answered
from ftchat.exam.chance import mean, shuffled, sign_flip
from ftchat.exam.judging import Judge
from ftchat.exam.measure import Examiner, all_of, digest, measure
from ftchat.exam.paper import Paper, frozen, paper
from ftchat.exam.scores import Answers, Pinned, Scores
from ftchat.exam.verdict import decide, without_pins

__all__ = [
    "PIN_ROOM",
    "Answers",
    "Asking",
    "Examiner",
    "Judge",
    "Paper",
    "Pinned",
    "Scores",
    "all_of",
    "answered",
    "decide",
    "digest",
    "frozen",
    "mean",
    "measure",
    "paper",
    "shuffled",
    "sign_flip",
    "without_pins",
]
