"""Compare blind: what votes decide about an adapter where its exam could not.

After every vote the sequential test is asked, which may be looked at as often as one likes: it promotes, retires, or
says how many votes are missing. Only blind votes between the adapter and the champion count, of each question the
first, whoever gave it, and none on a question that trained one of them: people who judge the same two answers mostly
agree, so two equal models would otherwise be told apart by few questions. What learned from feedback that was withdrawn
since, and what was not examined for what it lost, is promoted by people alone. It does not know how votes are given.
"""

from ftchat.pipeline.means import Means
from ftchat.progress import Trial
from ftchat.ratings import sequential, sweep
from ftchat.records import Adapter


def settle(means: Means) -> list[Trial]:
    """Ask the test about every adapter that is put to the vote, and do what it says; returns where each stands."""
    open_ones = [adapter for adapter in means.service.adapters() if adapter.state == "challenger"]
    return [_settled(means, adapter) for adapter in open_ones]


def _settled(means: Means, adapter: Adapter) -> Trial:
    found = standing(means, adapter.name)
    if not found.decided:
        return found
    log, service = means.store.training, means.service
    with means.store.writing():
        now = log.adapter(adapter.name)
        if now.state != "challenger" or service.champion() != found.champion:
            return found  # somebody else decided meanwhile
        reason = f"Blind votes against {found.champion}: {found.words}"
        if found.decided == "better":
            service.promote(adapter.name, by="votes", why=reason)
        else:
            marks = means.store.lineage.marks().get(adapter.name, ())  # which every look adds
            log.set_state(adapter.name, "retired", reasons=(*(r for r in now.reasons if r not in marks), reason))
    return found


def standing(means: Means, adapter: str) -> Trial:
    """What the votes say of an adapter now."""
    champion = means.service.champion()
    score = means.store.ballots.duel(means.base.fingerprint, adapter, champion)
    level = means.settings.vote_level
    look = sequential(score.wins, score.losses, level=level)
    decided, words = look.decision or "", f"{look.words[0].upper()}{look.words[1:]}"
    if not (score.wins or score.losses):
        fewest = f"{sweep(level)} are the fewest that can decide, each on another question"
        words = f"No blind votes against {champion} yet; {fewest}."
    if decided == "better" and (why := _doubt(means, adapter)):
        decided, words = "", f"{words} {why}"
    return Trial(
        adapter=adapter, champion=champion, wins=score.wins, losses=score.losses, decided=decided, more=look.more,
        words=words,
    )  # fmt: skip


def _doubt(means: Means, adapter: str) -> str:
    """Why votes alone do not put it into service."""
    log = means.store.training
    if adapter in means.store.lineage.marks():
        return "It learned from feedback that was withdrawn since, so you decide."
    run = log.adapter(adapter).run
    verdict = log.run(run).verdict if run else None
    if verdict is not None and not verdict.figures:
        return "Its exam was stopped before it could show what was lost, so you decide."
    return ""
