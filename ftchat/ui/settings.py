"""The Settings page, for admins: what is set and where from, who may come in, tokens, backups.

A secret is in the one answer that made it and nowhere else. Settings themselves are read at the start and not changed
here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat import backups, lineage, links, texts
from ftchat.config import where_from
from ftchat.errors import BadInput, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.store.people import Token, User
from ftchat.ui import settings_views, views
from ftchat.ui.elements import AT_ONCE, Updates, html
from ftchat.ui.paged import Paged, turns
from ftchat.ui.pieces import loading


class SettingsPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        with gr.Column(elem_id="settings-said"):  # it stays in sight: the style sheet sees to it
            self.notice = html(elem_id="settings-notice")
            self.made = html(elem_id="settings-made")
        with gr.Row(elem_id="settings-columns"):
            with gr.Column(scale=1, min_width=320):
                if parts.settings.open:
                    html(settings_views.no_logins(), elem_id="settings-alone")
                with gr.Column(elem_id="settings-people", visible=not parts.settings.open):
                    self._people()
                self.backups = html(elem_id="settings-backups", clicks=True)
            with gr.Column(scale=1, min_width=320):
                self.model = html(elem_id="settings-model")
                self.told = html(elem_id="settings-told")
                self.settings = html(loading(), elem_id="settings-list")

    def _people(self) -> None:
        with gr.Column(elem_classes="box"):
            html(settings_views.roles(), elem_id="settings-roles")
            self.users = Paged[User](
                self._parts,
                "settings-users",
                label=texts.FIND_USER,
                least="admin",
                find=self._users_of,
                key=lambda user: user.name,
                show=lambda who, found, searched: settings_views.users(found, me=who.name),
            )
        self.invitations = html(elem_id="settings-invitations", clicks=True)
        with gr.Column(elem_classes="box"):
            self.new_token = html(settings_views.new_token(), elem_id="settings-token", clicks=True)
            self.tokens = Paged[Token](
                self._parts,
                "settings-tokens",
                label=texts.FIND_TOKEN,
                least="admin",
                find=self._tokens_of,
                key=lambda token: token.id,
                show=lambda who, found, searched: settings_views.tokens(found, searched=searched),
            )

    def wire(self, tab: gr.Tab) -> None:
        """Which event calls what."""
        told = [*self.users.outputs(), self.invitations, *self.tokens.outputs()]
        told += [self.backups, self.model, self.told, self.settings, self.notice, self.made, self.new_token]
        asked = [*self.users.given(), *self.tokens.given()]
        tab.select(self.open, asked, told, **AT_ONCE)
        for part in (self.users.list, self.invitations, self.new_token, self.tokens.list, self.backups):
            part.click(self.act, asked, told, **AT_ONCE)
        self.users.wire()
        self.tokens.wire()

    def view(self, who: Person, *asked: str) -> Updates:
        """The page as things stand; `asked` is what users and tokens are searched for, and where their pages begin."""
        parts, now = self._parts, self._parts.settings
        found = backups.listed(now.home)
        return {
            **({} if now.open else self._listed(who, *asked)),
            self.backups: settings_views.backups(found, now, trouble=parts.backups.trouble),
            self.model: settings_views.real_model() if parts.base.practice else "",
            self.told: settings_views.told(parts.webhook.host, parts.webhook.last()),
            self.settings: settings_views.settings(now, where_from(now)),
        }

    def _users_of(self, search: str, after: str, limit: int) -> list[User]:
        return self._parts.accounts.users(search=search, after=after, limit=limit)

    def _tokens_of(self, search: str, after: str, limit: int) -> list[Token]:
        return self._parts.accounts.tokens(search=search, before=after, limit=limit, works=True)

    def _listed(self, who: Person, user: str, users_at: str, token: str, tokens_at: str) -> Updates:
        waiting = {self.invitations: settings_views.invitations(self._parts.accounts.invitations())}
        return self.users.shown(who, user, users_at) | waiting | self.tokens.shown(who, token, tokens_at)

    # -- callbacks --

    def open(self, user: str, users_at: str, token: str, tokens_at: str, request: gr.Request) -> Updates:
        """The page as it is come to; what was made before is not shown again."""
        try:
            who = self._parts.person(request, "admin")
            return {**self.view(who, user, users_at, token, tokens_at), self.notice: "", self.made: ""}
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    async def act(
        self, user: str, users_at: str, token: str, tokens_at: str, clicked: gr.EventData, request: gr.Request
    ) -> Any:
        """Whatever button was clicked, but for those that turn a page."""
        if turns(clicked):
            return gr.skip()
        try:
            who = self._parts.person(request, "admin")
            value, filled = str(clicked.value or ""), [str(text) for text in getattr(clicked, "filled", None) or []]
            done = await asyncio.to_thread(self._deed(clicked.act), who, value, filled, request)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        said = {self.notice: "", self.made: "", **done}
        return {**await asyncio.to_thread(self.view, who, user, users_at, token, tokens_at), **said}

    def _deed(self, act: str) -> Callable[[Person, str, list[str], gr.Request], Updates]:
        deeds = {
            "role": self._role,
            "disable": self._disable,
            "enable": self._enable,
            "password": self._password,
            "invite": self._invite,
            "uninvite": self._uninvite,
            "token": self._token,
            "revoke": self._revoke,
            "withdraw": self._withdraw,
            "backup": self._backup,
        }
        if act not in deeds:
            raise BadInput(texts.NO_SUCH_DEED.format(act=act))
        return deeds[act]

    def _role(self, who: Person, name: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.set_role(name, _only(filled))
        return {}

    def _disable(self, who: Person, name: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.set_disabled(name, disabled=True)
        return {}

    def _enable(self, who: Person, name: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.set_disabled(name, disabled=False)
        return {}

    def _password(self, who: Person, name: str, filled: list[str], request: gr.Request) -> Updates:
        made, secret = self._parts.accounts.password_link(who.name, name)
        return {self.made: settings_views.made_link(self._link(request, secret), expires=made.expires)}

    def _invite(self, who: Person, value: str, filled: list[str], request: gr.Request) -> Updates:
        made, secret = self._parts.accounts.invite(who.name, _only(filled))
        return {self.made: settings_views.made_link(self._link(request, secret), expires=made.expires)}

    def _link(self, request: gr.Request, secret: str) -> str:
        """As people reach this app."""
        asked = request.request
        return links.to_join(secret, request=asked, settings=self._parts.settings) if asked else ""

    def _uninvite(self, who: Person, invitation: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.take_back(invitation)
        return {}

    def _token(self, who: Person, value: str, filled: list[str], request: gr.Request) -> Updates:
        name, role = (*filled, "", "")[:2]
        made, secret = self._parts.accounts.new_token(who.name, _only([role]), name=name)
        again = settings_views.new_token(after=made.id)
        return {self.made: settings_views.made_token(secret), self.new_token: again}

    def _revoke(self, who: Person, token: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.revoke(token)
        return {}

    def _withdraw(self, who: Person, name: str, filled: list[str], request: gr.Request) -> Updates:
        return {self.notice: views.notice(lineage.withdraw(self._parts.store, who, name).words)}

    def _backup(self, who: Person, value: str, filled: list[str], request: gr.Request) -> Updates:
        made = backups.backup(self._parts.settings.home)
        return {self.notice: views.notice(texts.BACKED_UP.format(name=made.path.name))}


def _only(filled: list[str]) -> Any:
    """The one field that was filled; what is no role is refused by accounts."""
    return filled[0] if filled else ""
