"""ftchat: a team teaches its own language model by chatting, voting and correcting.

Importing this package imports nothing else, so that the set-up can run before anything is installed.
"""

__version__ = "0.1.0"
