"""Links that others can open: by the first of the hosts where the command line asks, else at the address in use."""

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from ftchat import links
from ftchat.config import Settings

HOSTS = ("chat.example.org", "chat.lan")


def asked_at(host: str, *, here: bool) -> Request:
    headers = [(b"host", host.encode())]
    scope = {"type": "http", "scheme": "http", "path": "/", "query_string": b"", "root_path": "", "headers": headers}
    return Request({**scope, "server": ("127.0.0.1", 7860), "state": {"here": here}})


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"host": "0.0.0.0"}, "http://127.0.0.1:7860"),
        ({"host": "192.0.2.9", "port": 80}, "http://192.0.2.9:80"),
        ({"host": "0.0.0.0", "hosts": HOSTS}, "http://chat.example.org:7860"),
        ({"hosts": ("2001:db8::1",)}, "http://[2001:db8::1]:7860"),
        ({"hosts": HOSTS, "proxies": ("10.0.0.7",)}, "https://chat.example.org"),
    ],
)
def test_others_open_the_app_under_its_first_name(tmp_path: Path, given: dict[str, Any], address: str) -> None:
    assert Settings(home=tmp_path, **given).address == address


@pytest.mark.parametrize(
    ("host", "here", "hosts", "address"),
    [
        ("127.0.0.1:7860", True, HOSTS, "http://chat.example.org:7860"),
        ("192.0.2.9:7860", True, HOSTS, "http://chat.example.org:7860"),  # the command line, where host is that
        ("192.0.2.9:7860", False, HOSTS, "http://192.0.2.9:7860"),
        ("Chat.LAN:7860", True, HOSTS, "http://chat.lan:7860"),
        ("127.0.0.1:7860", True, (), "http://127.0.0.1:7860"),
    ],
)
def test_a_link_is_at_the_address_that_was_asked_unless_that_is_for_this_machine_only(
    tmp_path: Path, host: str, here: bool, hosts: tuple[str, ...], address: str
) -> None:
    link = links.to_join("s3cret", request=asked_at(host, here=here), settings=Settings(home=tmp_path, hosts=hosts))
    assert link.casefold() == f"{address}/join/s3cret"


def test_of_a_link_to_this_machine_it_is_said_what_others_replace() -> None:
    assert links.remark("http://127.0.0.1:7860/join/x").startswith("127.0.0.1 is this machine alone: for others")
    assert links.remark("http://[::1]:7860/join/x").startswith("::1 is this machine alone")
    assert links.remark("https://chat.example.org/join/x") == ""
