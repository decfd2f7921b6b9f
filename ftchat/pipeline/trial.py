"""Compare blind: what votes decide about an adapter where its exam could not.

After every vote the sequential test is asked, which may be looked at as often as one likes: it promotes, retires, or
says how many votes are missing. Only blind votes between the adapter and the champion count, of each person on each
question the first, and none on a question that trained one of them. What learned from feedback that was withdrawn
since is promoted by people alone. It does not know how votes are given.
"""

from ftchat.pipeline.means import Means
from ftchat.progress import Trial
from ftchat.ratings import Look, sequential
from ftchat.records import Adapter


def standing(means: Means, adapter: str) -> Trial:
    """What the votes say of an adapter now."""
    return _trial(means, adapter)


def settle(means: Means) -> list[Trial]:
    """Ask the test about every adapter that is put to the vote, and do what it says; returns where each stands."""
    open_ones = [adapter for adapter in means.service.adapters() if adapter.state == "challenger"]
    return [_settled(means, adapter) for adapter in open_ones]


def _settled(means: Means, adapter: Adapter) -> Trial:
    found = _trial(means, adapter.name)
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
            log.set_state(adapter.name, "retired", reasons=(*now.reasons, reason))
    return found


def _trial(means: Means, adapter: str) -> Trial:
    champion = means.service.champion()
    score = means.store.ballots.duel(means.base.fingerprint, adapter, champion)
    look = sequential(score.wins, score.losses, level=means.settings.vote_level)
    decided, words = look.decision or "", _words(look, score.wins + score.losses, champion)
    if decided == "better" and adapter in means.store.lineage.marks():
        decided, words = "", f"{words} It learned from feedback that was withdrawn since, so you decide."
    return Trial(
        adapter=adapter, champion=champion, wins=score.wins, losses=score.losses, decided=decided, more=look.more,
        words=words,
    )  # fmt: skip


def _words(look: Look, votes: int, champion: str) -> str:
    if not votes:
        return f"No blind votes against {champion} yet; about ten are the fewest that can decide."
    return f"{look.words[0].upper()}{look.words[1:]}"
