"""Whose address asks. A header that anybody can write is believed only as far as proxies of our own wrote it."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the client's address: the connection's, or what the outermost of NUM_PROXIES proxies saw."""
    connected: str = request.META.get("REMOTE_ADDR", "")
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    if not 0 < settings.NUM_PROXIES <= len(hops):
        return connected
    try:
        return str(ipaddress.ip_address(hops[-settings.NUM_PROXIES].strip()))
    except ValueError:
        return connected


def login_address(request: HttpRequest) -> str | None:
    """Return the address that wrong passwords are counted for; None on a socket that has none."""
    return neighbourhood(client_address(request)).partition("/")[0] or None


def neighbourhood(address: str) -> str:
    """Return what one client has for itself: an IPv4 address, or the 64 bits of an IPv6 network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
