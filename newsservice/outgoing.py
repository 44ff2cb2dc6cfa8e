"""Requests to addresses that others have a say in: never into the network this service stands in.

A name is looked up once, every address it has is looked at, and the connection is made to those very addresses: what
the name says a moment later (DNS rebinding) changes nothing. Each hop of a redirect is a connection of its own.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError

# Inside IPv6 addresses of these, an IPv4 address is reached: 6to4, NAT64.
TRANSLATED = {ipaddress.ip_network("2002::/16"): 80, ipaddress.ip_network("64:ff9b::/96"): 0}


class AddressRefused(HTTPError):
    """A host leads into a network that OUTGOING_ALLOWED does not name. Neither retried nor taken for a failure."""


def is_refused(address: str) -> bool:
    """Whether an address is none of the public ones (but loopback, private, reserved, multicast …), nor allowed."""
    found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if any(found in network for network in map(ipaddress.ip_network, settings.OUTGOING_ALLOWED)):
        return False
    # Reserved are also the local NAT64 (64:ff9b:1::/48) and the first way to write IPv4 in IPv6 (::10.0.0.1).
    is_site_local = isinstance(found, ipaddress.IPv6Address) and found.is_site_local
    return not found.is_global or found.is_multicast or found.is_reserved or is_site_local


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host, all of them good. Raises AddressRefused, or socket.gaierror."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    if any(map(is_refused, addresses)):
        raise AddressRefused(f"{host} leads into a network of its own")
    return addresses


class _Guarded(HTTPConnection):
    """Connects to an address it has looked at, never to a name."""

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = look_up(name, self.port)
        except socket.gaierror as exc:
            raise NameResolutionError(self.host, self, exc) from exc
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                try:
                    return super()._new_conn()
                except HTTPError:
                    continue
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = name  # whose certificate is asked for


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _GuardedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class GuardedAdapter(HTTPAdapter):
    """An adapter for sessions that ask public addresses, and those of OUTGOING_ALLOWED.

    Through a proxy (HTTPS_PROXY) it is the proxy that connects, and that has to refuse.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTLSPool}


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    for network, shift in TRANSLATED.items():
        if address in network:
            return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return address
