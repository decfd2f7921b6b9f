"""Start ftchat: `python app.py --open`, or `make run`."""

from ftchat.serve import main

if __name__ == "__main__":
    main()
