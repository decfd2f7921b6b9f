"""How long until a page can be used, in a real browser: from the server's answer to a box that takes a question.

    python -m bench.opening --json [--quick]

The app is a child process over a scripted engine. Chromium opens the page anew each time, with an empty cache and then
with a full one. `usable_s` is from the first byte of the page's own answer until the question box can be written in,
the votes and the strip with its figures are there, and what the page asked for when it was opened has come; it is the
slowest of the openings with an empty cache. `answered_s` is what the server took for that first byte. `--quick` opens
it three times instead of ten: `may_supply` names the figures that are then as good as those of a whole run.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from bench.machine import calibration, machine, report
from bench.serving import apps
from bench.serving.scripted import Pace
from ftchat.install.browser import find_browser

OPENINGS = 10
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
WATCH = """(() => {
  const there = (selector) => {
    const one = document.querySelector(selector);
    return one?.checkVisibility({ visibilityProperty: true }) && !one.disabled;
  };
  const look = () => {
    // The suggestions come with what the page asks for when it is opened.
    const all = ["#compare-prompt textarea", "#compare-send", "#vote-bar", "#champion", "#compare-offers .chip"];
    if (all.every(there)) window.usableAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
TIMES = """() => {
  const [page] = performance.getEntriesByType("navigation");
  return { usable: window.usableAt - page.responseStart, answered: page.responseStart - page.requestStart };
}"""


def opened(context: BrowserContext, url: str) -> dict[str, float]:
    """One opening, in seconds."""
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.usableAt !== undefined", timeout=60_000)
    found: dict[str, float] = page.evaluate(TIMES)
    page.close()
    return {name: ms / 1000 for name, ms in found.items()}


def measure(browser: Browser, url: str, *, openings: int) -> dict[str, Any]:
    """Openings with an empty cache, each followed by one with a full one."""
    cold, warm = list[dict[str, float]](), list[dict[str, float]]()
    for _ in range(openings):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        cold.append(opened(context, url))
        warm.append(opened(context, url))
        context.close()
    return {
        "usable_s": round(max(one["usable"] for one in cold), 3),
        "usable_median_s": round(statistics.median(one["usable"] for one in cold), 3),
        "usable_again_s": round(statistics.median(one["usable"] for one in warm), 3),
        "answered_s": round(statistics.median(one["answered"] for one in cold), 3),
        "openings": openings,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser("bench.opening", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line, as always")
    parser.add_argument("--quick", action="store_true", help="three openings")
    given = parser.parse_args(argv)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ftchat-opening-"))
    engine = apps.scripted(folder, Pace(first_ms=50, per_s=20, tokens=20))
    app = apps.ftchat(folder / "home", engine=engine.url)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
            version = browser.version
            figures = measure(browser, app.url, openings=3 if given.quick else OPENINGS)
            browser.close()
        figures["may_supply"] = ["usable_median_s", "usable_again_s", "answered_s"] if given.quick else "all"
        facts = {"bench": "opening", "quick": given.quick, "seconds": round(time.monotonic() - started, 1)}
        report({**facts, **figures, "chromium": version, "machine": machine(), "calibration": calibration(folder)})
    finally:
        app.end()
        engine.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
