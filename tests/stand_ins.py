"""Stand-ins for the world outside: real sockets on loopback, replies as the provider words them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

Handler = Callable[["Exchange"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a client asked."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call, and the socket to answer it on."""

    call: Call
    request: BaseHTTPRequestHandler

    def reply(
        self,
        status: int,
        body: bytes | object,
        *,
        length: int | None = None,
        type_: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer; where `length` is announced and not kept, the connection breaks off."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.request.send_response(status)
        self.request.send_header("Content-Type", type_)
        self.request.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in (headers or {}).items():
            self.request.send_header(name, value)
        self.request.end_headers()
        self.request.wfile.write(data)
        if length is not None:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection without saying so."""
        self.request.close_connection = True

    def trickle(self, *, seconds: float, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Announce a long answer and send a byte of it now and then."""
        self.request.send_response(status)
        for name, value in (headers or {}).items():
            self.request.send_header(name, value)
        self.request.send_header("Content-Length", "100000")
        self.request.end_headers()
        end = time.monotonic() + seconds
        with suppress(OSError):
            while time.monotonic() < end:
                self.request.wfile.write(b" ")
                time.sleep(0.02)
        self.hang_up()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a batch connects at once; of more than five the rest would be left to their timeouts

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Complain of our own faults, not of a client that waits no longer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class StandIn:
    """An HTTP server that records its calls and answers as it is told."""

    def __init__(self, handler: Handler) -> None:
        self.calls: list[Call] = []
        self.handler = handler
        self.delay = 0.0
        self._counting = Lock()
        self._server = Server(("127.0.0.1", 0), self._request_handler())

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _request_handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                params = {name: values[0] for name, values in parse_qs(parts.query).items()}
                call = Call(path=parts.path, params=params, headers=dict(self.headers))
                with stand_in._counting:
                    stand_in.calls.append(call)
                time.sleep(stand_in.delay)
                stand_in.handler(Exchange(call=call, request=self))

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent."""

        return RequestHandler


class NaverStandIn(StandIn):
    """Naver's news search over items of one's own, in either dialect."""

    id, secret = "an-id", "a-very-secret-secret"
    id_headers: ClassVar = {
        "X-Naver-Client-Id": "X-Naver-Client-Secret",
        "X-NCP-APIGW-API-KEY-ID": "X-NCP-APIGW-API-KEY",
    }

    def __init__(self, items: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(self.search)
        self.items = list(items)

    def search(self, exchange: Exchange) -> None:
        headers = exchange.call.headers
        if not any(
            headers.get(id_header) == self.id and headers.get(secret_header) == self.secret
            for id_header, secret_header in self.id_headers.items()
        ):
            exchange.reply(
                401, {"errorMessage": "NID AUTH Result Invalid (1000) : Authentication failed.", "errorCode": "024"}
            )
            return
        start, display = int(exchange.call.params["start"]), int(exchange.call.params["display"])
        items = self.items[start - 1 : start - 1 + display]
        exchange.reply(
            200,
            {
                "lastBuildDate": "Sun, 22 Nov 2026 10:00:00 +0900",
                "total": len(self.items),
                "start": start,
                "display": len(items),
                "items": items,
            },
        )

    def refuse(self, status: int, body: bytes | object, *, times: int | None = None, **options: Any) -> None:
        """From now on answer every search with this; only the first `times`, if given."""
        self.fail(lambda exchange: exchange.reply(status, body, **options), times=times)

    def fail(self, handler: Handler, *, times: int | None = None) -> None:
        """From now on handle every search with this; only the first `times`, if given."""
        answered = len(self.calls)

        def handle(exchange: Exchange) -> None:
            is_over = times is not None and len(self.calls) > answered + times
            (self.search if is_over else handler)(exchange)

        self.handler = handle

    def recover(self) -> None:
        self.handler = self.search


class FeedStandIn(StandIn):
    """A web server of feeds, by path; any other path is 404."""

    def __init__(self) -> None:
        super().__init__(self.serve)
        self.feeds: dict[str, tuple[bytes, str]] = {}

    def publish(self, path: str, feed: bytes | str, *, type_: str = "application/rss+xml; charset=utf-8") -> str:
        """Serve a feed at a path from now on; return its address."""
        self.feeds[path] = (feed if isinstance(feed, bytes) else feed.encode(), type_)
        return self.url + path

    def serve(self, exchange: Exchange) -> None:
        feed, type_ = self.feeds.get(exchange.call.path, (b"", ""))
        exchange.reply(200 if type_ else 404, feed, type_=type_ or "text/plain")


def rss_feed(*items: str, declared: str = "") -> str:
    """Return an RSS 2.0 feed of items (rss_item)."""
    encoding = f' encoding="{declared}"' if declared else ""
    channel = f"<channel><title>새벽</title>{''.join(items)}</channel>"
    return f'<?xml version="1.0"{encoding}?><rss version="2.0">{channel}</rss>'


def rss_item(title: str, *, link: str = "https://saebyeok.example/1", date: str = "", more: str = "") -> str:
    """Return an item of an RSS feed; title and `more` are markup as it stands in the feed."""
    return f"<item><title>{title}</title><link>{link}</link><pubDate>{date}</pubDate>{more}</item>"


def news_item(number: int, *, title: str = "", description: str = "", host: str = "press.example") -> dict[str, str]:
    """Return an item as Naver words it, unlike every other number's."""
    return {
        "title": title or f"<b>한빛전자</b>, {WORDS[number % len(WORDS)]} {number}호 계약 &quot;체결&quot;",
        "originallink": f"https://www.{host}/news/{number}",
        "link": f"https://n.news.naver.com/mnews/article/001/{number:010d}?sid=101",
        "description": description or f"<b>한빛전자</b>가 {number}번째 {WORDS[number % len(WORDS)]} 소식을 전했다...",
        "pubDate": f"Fri, 20 Nov 2026 {9 + number // 60 % 12:02d}:{number % 60:02d}:00 +0900",
    }


WORDS = (
    "태양광",
    "반도체",
    "노사협의",
    "이사회",
    "물류",
    "연구개발",
    "수출",
    "협력사",
    "품질",
    "채용",
    "기부",
    "특허",
)
