"""The set-up: looks at the machine, makes .venv, installs the pinned packages. Run: python3 -m ftchat.install [--dev]

It runs on the system's own Python, before anything is installed: standard library only, nothing from the rest of
ftchat, and syntax that Python 3.8 can read, so that an old Python gets a sentence and not a SyntaxError.
"""
