"""Start ftchat: `python app.py --open`, or `make run`."""

import sys

from ftchat.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
