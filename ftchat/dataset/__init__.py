"""Approved feedback to a snapshot: a frozen, hashed set of rows; and the card that says what will be trained.

  candidates.py  what one piece of feedback becomes: rows, or a reason why none
  settling.py    the rules over all of them: duplicates, contradictions, one person's share
  gathering.py   feedback of a store to rows and to what was dropped, by these rules
  snapshot.py    rows to a folder: same feedback, same bytes; exam rows in a file of their own
  replay.py      which questions are replayed against forgetting, and which of them only the exam sees
  personal.py    likely personal data in texts, named without being repeated
  card.py        what a snapshot made now would hold, in numbers and in words

It does not know models or engines.
"""

from ftchat.dataset.candidates import Why as Why
from ftchat.dataset.card import Became as Became
from ftchat.dataset.card import Card as Card
from ftchat.dataset.card import became as became
from ftchat.dataset.card import card as card
from ftchat.dataset.card import is_enough as is_enough
from ftchat.dataset.gathering import Gathered as Gathered
from ftchat.dataset.gathering import gathered as gathered
from ftchat.dataset.gathering import of_split as of_split
from ftchat.dataset.gathering import rows as rows
from ftchat.dataset.replay import kept_for_exam as kept_for_exam
from ftchat.dataset.replay import nearest as nearest
from ftchat.dataset.replay import replayed as replayed
from ftchat.dataset.snapshot import EXAM as EXAM
from ftchat.dataset.snapshot import MANIFEST as MANIFEST
from ftchat.dataset.snapshot import REPLAY as REPLAY
from ftchat.dataset.snapshot import ROWS as ROWS
from ftchat.dataset.snapshot import freeze as freeze
from ftchat.dataset.snapshot import is_whole as is_whole
