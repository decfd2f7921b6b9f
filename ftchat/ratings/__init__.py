"""Who is better, and how sure that is: from counts of blind votes to win probabilities, ratings and decisions.

`versus` sets one contestant against another, `strength` rates them all (Bradley-Terry), `sequential` decides, and may
be asked after every vote; `board` puts them into one leaderboard. Pure: it knows no store, engine or page.
"""

from ftchat.ratings.board import Board, LeftSide, Line, board
from ftchat.ratings.sequential import Look, sequential, sweep
from ftchat.ratings.strength import Strengths, strengths
from ftchat.ratings.versus import Versus, versus

__all__ = [
    "Board",
    "LeftSide",
    "Line",
    "Look",
    "Strengths",
    "Versus",
    "board",
    "sequential",
    "strengths",
    "sweep",
    "versus",
]
