"""Settings, people, tokens and backups as HTML. Plain functions; a secret is only in what was made just now.

It knows records and texts. It does not know gradio, accounts or who looks.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ftchat import texts
from ftchat.backups import Backup
from ftchat.config import Settings
from ftchat.records import STANDINGS
from ftchat.store.people import Invitation, Token, User
from ftchat.store.told import Told
from ftchat.ui.pieces import button, nothing_found, tag, time_of
from ftchat.ui.prose import plain
from ftchat.ui.views import notice

_SECRET = ("engine_key", "webhook")  # an address may have a secret in its path
_SHOWN_BACKUPS = 8


def real_model() -> str:
    """How to leave the practice model."""
    return (
        f'<section class="card real-model"><h2>{texts.REAL_MODEL}</h2><p>{texts.REAL_MODEL_HINT}</p>'
        f'{_copied(texts.PRACTICE_COMMAND)}<p class="hint">{texts.REAL_MODEL_AFTER}</p></section>'
    )


def _copied(text: str) -> str:
    """A text with a button that copies it."""
    return (
        f'<p class="copied"><code>{plain(text)}</code><button type="button" class="do ghost" data-copy="{plain(text)}" '
        f'data-copied="{texts.COPIED}" data-selected="{texts.SELECTED}">{texts.COPY}</button></p>'
    )


def settings(now: Settings, sources: Mapping[str, str]) -> str:
    """Every setting with its value and where that is from: first those that somebody set."""
    fields = dataclasses.fields(Settings)
    given = [field for field in fields if sources[field.name] not in ("default",)]
    others = [field for field in fields if field not in given]
    hint = texts.SETTINGS_HINT.format(file=now.home / "ftchat.toml")
    folded = f"<details><summary>{texts.DEFAULT_SETTINGS}</summary>{_table(others, now, sources)}</details>"
    return (
        f'<section class="card settings"><h2>{texts.GIVEN_SETTINGS}</h2><p class="hint">{plain(hint)}</p>'
        f"{_table(given, now, sources)}{folded}</section>"
    )


def _table(fields: Sequence["dataclasses.Field[object]"], now: Settings, sources: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{f.name}</code><span class="hint">{plain(f.metadata["help"])}</span></th>'
        f"<td>{plain(_value(f.name, getattr(now, f.name)))}</td><td>{plain(_source(f.name, sources[f.name]))}</td></tr>"
        for f in fields
    )
    heads = "".join(f'<th scope="col">{words}</th>' for words in (texts.SETTING, texts.VALUE, texts.SOURCE))
    return f'<table class="facts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _value(name: str, value: object) -> str:
    if name in _SECRET and value:
        return texts.SECRET
    if isinstance(value, bool):
        return texts.ON if value else texts.OFF
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value)
    return str(value) if value != "" else texts.NOTHING_SET


def _source(name: str, source: str) -> str:
    return texts.SOURCES[source].format(KEY=name.upper(), flag=name.replace("_", "-"))


# -- people --


def no_logins() -> str:
    """What stands for users where there are none."""
    return f'<section class="card"><h2>{texts.USERS}</h2><p class="hint">{texts.NO_LOGINS}</p></section>'


def made_link(link: str, *, expires: float) -> str:
    """A link that was made just now."""
    hint = texts.LINK_HINT.format(until=_moment(expires))
    return f'<section class="card made" role="status"><p>{hint}</p>{_copied(link)}</section>'


def made_token(secret: str) -> str:
    """A token that was made just now."""
    return f'<section class="card made" role="status"><p>{texts.TOKEN_HINT}</p>{_copied(secret)}</section>'


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return texts.NEVER
    return time_of(datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds"))


def _roles(field: str, chosen: str, *, label: str) -> str:
    options = "".join(
        f'<option value="{role}"{" selected" if role == chosen else ""}>{texts.ROLES[role]}</option>'
        for role in STANDINGS
    )
    return f'<select data-field="{plain(field)}" aria-label="{plain(label)}">{options}</select>'


def roles() -> str:
    """What a user of each role may do."""
    hints = "".join(f"<li><b>{texts.ROLES[role]}</b> {texts.ROLE_HINTS[role]}</li>" for role in STANDINGS)
    return f'<h2>{texts.USERS}</h2><ul class="role-hints">{hints}</ul>'


def users(found: Sequence[User], *, me: str) -> str:
    """Users, with what can be done about each."""
    rows = "".join(_user(user, me=me) for user in found)
    heads = "".join(f'<th scope="col">{words}</th>' for words in (texts.USER, texts.ROLE, ""))
    table = f'<table class="facts people"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return table if found else nothing_found()


def _user(user: User, *, me: str) -> str:
    marks = (
        tag(texts.DISABLED, "bad") if user.disabled else "" if user.has_password else tag(texts.NO_PASSWORD, "quiet")
    )
    marks += tag(texts.YOU, "quiet") if user.name == me else ""
    where = f'[data-field="{user.name}"]'
    role = _roles(user.name, user.role, label=f"{texts.ROLE}: {user.name}") + button(
        "role", texts.CHANGE_ROLE, value=user.name, takes=where, kind="ghost"
    )
    acts = [button("password", texts.NEW_PASSWORD, value=user.name, kind="ghost")] if not user.disabled else []
    if user.disabled:
        acts.append(button("enable", texts.ENABLE, value=user.name, kind="ghost"))
    elif user.name != me:
        sure = texts.CONFIRM_DISABLE.format(name=user.name)
        acts.append(button("disable", texts.DISABLE, value=user.name, kind="ghost", confirm=sure))
    gone = texts.CONFIRM_WITHDRAW.format(name=user.name)
    acts.append(button("withdraw", texts.WITHDRAW, value=user.name, kind="ghost", confirm=gone))
    return (
        f'<tr><th scope="row">{plain(user.name)} {marks}</th><td><span class="fields">{role}</span></td>'
        f'<td class="acts">{"".join(acts)}</td></tr>'
    )


def invitations(found: Sequence[Invitation]) -> str:
    """Links that wait to be used, and another one."""
    rows = "".join(
        f'<tr><th scope="row">{plain(made.user or made.role or "")}</th><td>{_moment(made.expires)}</td>'
        f'<td class="acts">{_uninvite(made)}</td></tr>'
        for made in found
    )
    heads = "".join(f'<th scope="col">{words}</th>' for words in (texts.FOR, texts.EXPIRES, ""))
    table = f'<table class="facts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    form = (
        f'<p class="fields"><label>{texts.INVITE_AS} {_roles("invited", "rater", label=texts.INVITE_AS)}</label>'
        f"{button('invite', texts.INVITE, takes='[data-field=invited]')}</p>"
    )
    return (
        f'<section class="card"><h2>{texts.INVITATIONS}</h2>{form}'
        f"{table if found else f'<p class=hint>{texts.NO_INVITATIONS}</p>'}</section>"
    )


def _uninvite(made: Invitation) -> str:
    return button("uninvite", texts.TAKE_BACK, value=made.id, kind="ghost", confirm=texts.CONFIRM_UNINVITE)


def _revoke(token: Token) -> str:
    sure = texts.CONFIRM_REVOKE.format(name=token.name)
    return button("revoke", texts.REVOKE, value=token.id, kind="ghost", confirm=sure)


def new_token(*, after: str = "") -> str:
    """Where a token is made: another place `after` each that was, so that its fields are empty again."""
    form = (
        f'<p class="fields" data-filled="token" data-after="{plain(after)}">'
        f'<input type="text" data-field="token-name" maxlength="100" placeholder="{texts.TOKEN_NAME}" '
        f'aria-label="{texts.TOKEN_NAME}">'
        f"{_roles('token-role', 'rater', label=texts.TOKEN_AS)}"
        f"{button('token', texts.NEW_TOKEN, takes='[data-field=token-name], [data-field=token-role]')}</p>"
    )
    return f"<h2>{texts.TOKENS}</h2>{form}"


def tokens(found: Sequence[Token], *, searched: bool = False) -> str:
    """Tokens that work, without their secrets."""
    rows = "".join(
        f'<tr><th scope="row">{plain(token.name)} <span class="hint">{plain(token.user)}</span></th>'
        f"<td>{texts.ROLES[token.role]}</td><td>{plain(token.made_by or '')}</td><td>{_moment(token.used)}</td>"
        f'<td class="acts">{_revoke(token)}</td></tr>'
        for token in found
    )
    heads = "".join(
        f'<th scope="col">{words}</th>' for words in (texts.NAME, texts.ROLE, texts.TOKEN_BY, texts.LAST_USED, "")
    )
    if not found:
        return nothing_found() if searched else f'<p class="hint">{texts.NO_TOKENS}</p>'
    return f'<table class="facts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def told(host: str, last: Told | None) -> str:
    """Who hears of each run that ends, and whether they heard of the last."""
    if not host:
        return ""
    status = (last.trouble or str(last.status)) if last else ""
    said = f'<p class="hint">{plain(texts.TOLD_LAST.format(status=status))}</p>' if last else ""
    return (
        f'<section class="card"><h2>{texts.TOLD}</h2><p>{plain(texts.TOLD_HINT.format(host=host))}</p>{said}</section>'
    )


# -- backups --


def backups(found: Sequence[Backup], now: Settings, *, trouble: str) -> str:
    """What can be gone back to, what keeps it from being made, and one now."""
    folder = now.home / "data" / "backups"
    hint = texts.BACKUPS_OFF if not now.backup_every_s else _rhythm(now, folder)
    rows = "".join(
        f'<tr><th scope="row">{time_of(made.made_at)}</th><td>{_size(made.bytes)}</td><td><code>{plain(made.path.name)}'
        f"</code></td></tr>"
        for made in found[:_SHOWN_BACKUPS]
    )
    heads = "".join(f'<th scope="col">{words}</th>' for words in (texts.MADE_AT, texts.SIZE, texts.NAME))
    table = f'<table class="facts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    none = f'<p class="hint">{texts.NO_BACKUPS if now.backup_every_s else texts.NO_BACKUP_YET}</p>'
    return (
        f'<section class="card backups"><h2>{texts.BACKUPS}</h2>{notice(trouble, kind="bad")}<p class="hint">'
        f"{plain(hint)} {plain(texts.RESTORE_HINT)}</p>{table if found else none}"
        f'<p class="fields">{button("backup", texts.BACK_UP)}</p></section>'
    )


def _rhythm(now: Settings, folder: Path) -> str:
    minutes = now.backup_every_s / 60
    every = f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:.0f} min"
    return texts.BACKUPS_HINT.format(hours=every, hourly=now.backups_hourly, daily=now.backups_daily, folder=folder)


def _size(size: int) -> str:
    return f"{size / 1_048_576:.1f} MB" if size >= 104_858 else f"{size / 1024:.0f} KB"
