"""System checks: can the news be fetched as the settings say? Looks at them and asks nobody."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from newsservice.outgoing import is_refused
from search.errors import InvalidName
from search.text import normalize_company


@checks.register()
def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """E001: a feed has no address. W001: a feed that is refused. W002: Naver's key goes over plain http."""
    messages: list[checks.CheckMessage] = []
    for url in (settings.NEWS_RSS_SEARCH_URL, *settings.NEWS_RSS_FEEDS):
        host = _host(url)
        if host is None:
            said = f"NEWS_RSS_FEEDS: {url!r} is no address of a feed."
            messages.append(checks.Error(said, hint="Use https://host/path, separated by commas.", id="search.E001"))
        elif _is_inside(host):
            said = f"The feed at {host} is not read: its address is a private one."
            messages.append(checks.Warning(said, hint=f"Set OUTGOING_ALLOWED={host}, or a network.", id="search.W001"))
    host = _host(settings.NAVER_SEARCH_URL) if settings.NAVER_SEARCH_URL.startswith("http://") else None
    if host and settings.NAVER_CLIENT_ID and not _is_loopback(host):
        said = f"NAVER_SEARCH_URL sends the key of Naver to {host} in plain text."
        messages.append(checks.Warning(said, hint="Use https://.", id="search.W002"))
    return messages


@checks.register("companies")
def check_companies(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[checks.CheckMessage]:
    """E002: what is to be watched is no company's name."""
    messages: list[checks.CheckMessage] = []
    for name in settings.MONITORED_COMPANIES:
        try:
            normalize_company(name)
        except InvalidName as exc:
            said = f"MONITORED_COMPANIES: {name!r} is no company's name."
            messages.append(checks.Error(said, hint=str(exc), id="search.E002"))
    return messages


def _host(url: str) -> str | None:
    try:
        found = urlsplit(url)
    except ValueError:
        return None
    return found.hostname if found.scheme in {"http", "https"} else None


def _is_inside(host: str) -> bool:
    """Whether a host is refused by its very name; what others lead to is seen when they are asked."""
    try:
        return is_refused("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
