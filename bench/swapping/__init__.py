"""Swaps under load, and the app's API as the measurements of the loop use it."""
