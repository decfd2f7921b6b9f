"""The Settings page, for admins: what is set and where from, who may come in, tokens, backups.

A secret is in the one answer that made it and nowhere else. Settings themselves are read at the start and not changed
here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr

from ftchat import backups, lineage
from ftchat.config import where_from
from ftchat.errors import BadInput, FtchatError
from ftchat.parts import Parts
from ftchat.records import Person
from ftchat.ui import settings_views, texts, views
from ftchat.ui.elements import AT_ONCE, Updates, html


class SettingsPage:
    """Its components, its callbacks, and which belongs to which."""

    def __init__(self, parts: Parts) -> None:
        """Lay out the page in the Blocks that is open."""
        self._parts = parts
        self.notice = html(elem_id="settings-notice")
        self.made = html(elem_id="settings-made")
        with gr.Row(elem_id="settings-columns"):
            with gr.Column(scale=1, min_width=320):
                self.people = html(elem_id="settings-people", clicks=True)
                self.backups = html(elem_id="settings-backups", clicks=True)
            with gr.Column(scale=1, min_width=320):
                self.model = html(elem_id="settings-model")
                self.told = html(elem_id="settings-told")
                self.settings = html(elem_id="settings-list")

    def wire(self, tab: gr.Tab) -> None:
        """Which event calls what."""
        told = [self.people, self.backups, self.model, self.told, self.settings, self.notice, self.made]
        tab.select(self.open, None, told, **AT_ONCE)
        for part in (self.people, self.backups):
            part.click(self.act, None, told, **AT_ONCE)

    def view(self, who: Person) -> Updates:
        """The page as things stand."""
        parts, now = self._parts, self._parts.settings
        found = backups.listed(now.home)
        return {
            self.people: settings_views.no_logins() if now.open else self._people(who),
            self.backups: settings_views.backups(found, now, trouble=parts.backups.trouble),
            self.model: settings_views.real_model() if parts.base.practice else "",
            self.told: settings_views.told(parts.webhook.host, parts.webhook.last()),
            self.settings: settings_views.settings(now, where_from(now)),
        }

    def _people(self, who: Person) -> str:
        accounts = self._parts.accounts
        return settings_views.people(accounts.users(), accounts.invitations(), accounts.tokens(), me=who.name)

    # -- callbacks --

    def open(self, request: gr.Request) -> Updates:
        """The page as it is come to; what was made before is not shown again."""
        try:
            return {**self.view(self._parts.person(request, "admin")), self.notice: "", self.made: ""}
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}

    async def act(self, clicked: gr.EventData, request: gr.Request) -> Updates:
        """Whatever button was clicked."""
        try:
            who = self._parts.person(request, "admin")
            value, filled = str(clicked.value or ""), [str(text) for text in getattr(clicked, "filled", None) or []]
            done = await asyncio.to_thread(self._deed(clicked.act), who, value, filled, request)
        except FtchatError as err:
            return {self.notice: views.notice(err.message, kind="bad")}
        said = {self.notice: "", self.made: "", **done}
        return {**self.view(who), **said}

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
            raise BadInput(f"There is nothing called {act!r} to be done here.")
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
        return {self.made: settings_views.made_link(_link(request, secret), expires=made.expires)}

    def _invite(self, who: Person, value: str, filled: list[str], request: gr.Request) -> Updates:
        made, secret = self._parts.accounts.invite(who.name, _only(filled))
        return {self.made: settings_views.made_link(_link(request, secret), expires=made.expires)}

    def _uninvite(self, who: Person, invitation: str, filled: list[str], request: gr.Request) -> Updates:
        self._parts.accounts.take_back(invitation)
        return {}

    def _token(self, who: Person, value: str, filled: list[str], request: gr.Request) -> Updates:
        name, role = (*filled, "", "")[:2]
        _, secret = self._parts.accounts.new_token(_only([role]), name=name)
        return {self.made: settings_views.made_token(secret)}

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


def _link(request: gr.Request, secret: str) -> str:
    """As people reach this app."""
    return f"{str(request.request.base_url).rstrip('/')}/join/{secret}" if request.request else ""
