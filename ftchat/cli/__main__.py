"""`python -m ftchat.cli` is `ftchat`."""

from ftchat.cli import main

main()
