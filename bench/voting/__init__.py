"""What the measurements of votes share: homes full of turns, the app without its pages, and clients over HTTP."""
