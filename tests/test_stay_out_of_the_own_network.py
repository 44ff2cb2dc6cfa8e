"""Feeds lead nowhere but to public addresses: not by their own, a redirect, or a name that changes its mind."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from newsservice.outgoing import AddressRefused, GuardedAdapter, is_refused
from search.errors import ProviderError
from search.providers import http, rss
from search.providers.rss import RSSProvider
from tests.stand_ins import FeedStandIn, rss_feed, rss_item

FEED = rss_feed(rss_item("한빛전자"))


@pytest.fixture
def inside(settings) -> Iterator[FeedStandIn]:
    """A server of one's own network, which no feed may lead to."""
    settings.OUTGOING_ALLOWED = []
    settings.PROVIDER_CONNECT_SECONDS = settings.PROVIDER_READ_SECONDS = 5
    stand_in = FeedStandIn()
    stand_in.publish("/search", FEED)
    with stand_in.running():
        settings.NEWS_RSS_SEARCH_URL = f"{stand_in.url}/search?q={{query}}"
        yield stand_in


def read() -> list[str]:
    (page,) = RSSProvider().pages('"한빛전자"', sort="sim", start=1)
    return [article.title for article in page.articles]


@pytest.fixture
def names(monkeypatch) -> Callable[..., None]:
    """Have a name lead to these addresses, one after the other with each time it is looked up."""
    known: dict[str, list[list[str]]] = {}
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            return really(host, port, *args, **kwargs)
        addresses = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [found for address in addresses for found in really(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lambda name, *answers: known.update({name: list(answers)})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "::10.0.0.1", "::8.8.8.8", "fec0::1", "4000::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(settings, address):
    settings.OUTGOING_ALLOWED = []
    assert is_refused(address)


def test_public_addresses_and_those_allowed_are_asked(settings):
    settings.OUTGOING_ALLOWED = ["10.1.2.0/24", "::1"]
    for address in ("8.8.8.8", "2001:4860:4860::8888", "10.1.2.3", "::1", "::ffff:10.1.2.3", "64:ff9b::8.8.8.8"):
        assert not is_refused(address)
    assert is_refused("10.1.3.1")


def test_a_feed_in_ones_own_network_is_not_read_unless_allowed(inside, settings):
    with pytest.raises(ProviderError, match="OUTGOING_ALLOWED"):
        read()
    assert not rss.can_be_reached()
    assert inside.calls == []
    settings.OUTGOING_ALLOWED = ["127.0.0.1"]
    assert read() == ["한빛전자"]


def test_a_redirect_into_ones_own_network_is_not_followed(inside, settings, names):
    names("feeds.example", ["127.0.0.2"])
    settings.OUTGOING_ALLOWED = ["127.0.0.2"]
    with listening("127.0.0.2", 0, location=f"{inside.url}/search") as port:
        settings.NEWS_RSS_SEARCH_URL = f"http://feeds.example:{port}/?q={{query}}"
        with pytest.raises(ProviderError, match="OUTGOING_ALLOWED"):
            read()
        assert not rss.can_be_reached()
    assert inside.calls == []


def test_a_name_that_changes_its_mind_leads_where_it_first_did(inside, settings, names):
    names("feeds.example", ["127.0.0.2"], ["127.0.0.1"])
    settings.OUTGOING_ALLOWED = ["127.0.0.2"]
    settings.NEWS_RSS_SEARCH_URL = f"http://feeds.example:{inside.port}/search?q={{query}}"
    with listening("127.0.0.2", inside.port):
        assert read() == ["한빛전자"]
    assert inside.calls == []


def test_a_name_of_which_one_address_is_inside_is_refused(inside, settings, names):
    names("feeds.example", ["127.0.0.2", "127.0.0.1"])
    settings.OUTGOING_ALLOWED = ["127.0.0.2"]
    settings.NEWS_RSS_SEARCH_URL = f"http://feeds.example:{inside.port}/search?q={{query}}"
    with pytest.raises(ProviderError, match="OUTGOING_ALLOWED"):
        read()


def test_a_second_address_is_tried_where_the_first_does_not_answer(inside, settings, names):
    names("feeds.example", ["127.0.0.3", "127.0.0.1"])
    settings.OUTGOING_ALLOWED = ["127.0.0.0/8"]
    settings.NEWS_RSS_SEARCH_URL = f"http://feeds.example:{inside.port}/search?q={{query}}"
    assert read() == ["한빛전자"]


def test_tls_still_asks_for_the_certificate_of_the_name(settings, names, tmp_path):
    settings.OUTGOING_ALLOWED = ["127.0.0.0/8"]
    names("feeds.example", ["127.0.0.1"])
    names("other.example", ["127.0.0.1"])
    with listening("127.0.0.1", 0, certificate=certificate(tmp_path, "feeds.example")) as port:
        client = http.session(GuardedAdapter())
        client.trust_env, client.verify = False, str(tmp_path / "both.pem")
        assert http.get(client, f"https://feeds.example:{port}/", provider="rss").status == 200
        with pytest.raises(ProviderError, match="certificate"):
            http.get(client, f"https://other.example:{port}/", provider="rss")


def test_a_refusal_is_not_tried_again(settings):
    settings.OUTGOING_ALLOWED = []
    client = http.session(GuardedAdapter(max_retries=http.RetryFaults.default_policy()))
    with pytest.raises(AddressRefused):
        client.get("http://127.0.0.1:9/")


def test_the_operators_own_address_for_naver_is_asked(naver, settings, client):
    settings.OUTGOING_ALLOWED = []
    assert client.post("/api/v1/search/news", {"query": "한빛전자"}, format="json").status_code == 200
    assert naver.calls


# --- servers -------------------------------------------------------------------------------------------------


class listening:  # noqa: N801  reads as what it does
    """A server at an address of the loopback network: gives the feed, or sends elsewhere."""

    def __init__(self, address: str, port: int, *, location: str = "", certificate: Path | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302 if location else 200)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(0 if location else len(FEED.encode())))
                self.end_headers()
                if not location:
                    self.wfile.write(FEED.encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer((address, port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.server.server_address[1])

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate of a name; return the file with it and its key."""
    openssl = shutil.which("openssl")
    assert openssl
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    return both
