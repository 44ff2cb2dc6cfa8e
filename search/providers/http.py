"""One GET to a provider: pooled, bounded in time and size, its faults in our words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError
from urllib3.util.retry import Retry

from newsservice.metrics import PROVIDER_CALLS
from newsservice.observability import span
from newsservice.outgoing import AddressRefused
from newsservice.version import VERSION
from search.errors import ProviderError, ProviderQuotaExceeded, ProviderTimeout

MAX_REPLY_BYTES = 8_000_000
MAX_REDIRECTS = 5
USER_AGENT = f"NewsService/{VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class RetryFaults(Retry):
    """Twice more, with backoff and jitter, after a 5xx or a broken connection; never after a slow reply.

    A Retry-After is not waited for: with it, urllib3 would ask again after a 429 too.
    """

    provider = "rss"

    @classmethod
    def default_policy(cls) -> RetryFaults:
        return cls(
            total=2,
            backoff_factor=0.2,
            backoff_jitter=0.2,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=("GET",),
            respect_retry_after_header=False,
            raise_on_status=False,
        )

    def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):  # type: ignore[no-untyped-def]
        if isinstance(error, ReadTimeoutError):
            raise error
        further = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            response.close()  # else urllib3 reads the body to its end before it tries again, however long that is
        self.before_retry()
        PROVIDER_CALLS.labels(self.provider, "retried").inc()
        return further

    def before_retry(self) -> None:
        """Raise ProviderQuotaExceeded where there must be no further try."""


class Session(requests.Session):
    """Follows redirects itself: requests would read the body of each whole, also where it is told to follow none."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None  # as far as requests is to know

    def follow(self, url: str, *, timeout: tuple[float, float], **asked: Any) -> requests.Response:
        """GET past at most MAX_REDIRECTS redirects, whose bodies are not read; the answer's is left to the caller.

        `timeout` is (connect, read) in seconds, together the longest until the last answer begins. What else is
        asked (params, headers) is for the first address alone. Raises as `get` does.
        """
        ends_at = time.monotonic() + sum(timeout)
        auth = _credentials(url)
        response = self.get(url, timeout=timeout, **asked)
        for _ in range(MAX_REDIRECTS):
            if not response.is_redirect:
                return response
            response.close()
            if (left := ends_at - time.monotonic()) <= 0:
                raise requests.Timeout("redirected for too long")
            target = _target(response, url)
            auth = None if self.should_strip_auth(url, target) else auth  # type: ignore[no-untyped-call]
            url = target
            connect, read = (min(left, seconds) for seconds in timeout)
            response = self.get(url, timeout=(connect, read), auth=auth)
        if response.is_redirect:
            response.close()
            raise requests.TooManyRedirects
        return response


def session(adapter: HTTPAdapter) -> Session:
    """Return a session whose connections all go through `adapter`."""
    pooled = Session()
    pooled.stream = True  # a body is read as far as its reader wants
    pooled.headers["User-Agent"] = USER_AGENT
    pooled.mount("https://", adapter)
    pooled.mount("http://", adapter)
    return pooled


def get(
    client: Session,
    url: str,
    *,
    provider: str,
    params: Mapping[str, str | int] | None = None,
    headers: Mapping[str, str | bytes] | None = None,
    redirects: bool = False,
) -> Reply:
    """GET within PROVIDER_CONNECT_SECONDS, PROVIDER_READ_SECONDS for the reply to begin, and again to end.

    Raises ProviderTimeout (too slow), ProviderError (refused, broken off, too large), or what forbids a retry.
    """
    timeout = (settings.PROVIDER_CONNECT_SECONDS, settings.PROVIDER_READ_SECONDS)
    ask = client.follow if redirects else client.get
    try:
        with (
            span("provider call", provider=provider) as add,
            ask(url, params=params, headers=headers, timeout=timeout) as response,
        ):
            add(**{"http.response.status_code": response.status_code})
            body = _read(response, provider=provider)
            PROVIDER_CALLS.labels(provider, "ok" if response.ok else str(response.status_code)).inc()
            return Reply(status=response.status_code, headers=response.headers, body=body)
    except ProviderQuotaExceeded:
        PROVIDER_CALLS.labels(provider, "not retried").inc()
        raise
    except ProviderError:
        PROVIDER_CALLS.labels(provider, "cut off").inc()
        raise
    except (requests.Timeout, ReadTimeoutError) as exc:
        PROVIDER_CALLS.labels(provider, "timeout").inc()
        raise ProviderTimeout(provider=provider, reason="no answer in time") from exc
    except requests.exceptions.InvalidHeader:  # its words hold the header's value, a secret
        raise ProviderError(provider=provider, reason="our credentials cannot be sent as headers") from None
    except (requests.RequestException, HTTPError) as exc:
        PROVIDER_CALLS.labels(provider, "no answer").inc()
        raise ProviderError(provider=provider, reason=_reason(exc)) from exc


def _read(response: requests.Response, *, provider: str) -> bytes:
    """Return the body. read1 gives what has come so far, where read waits for more: a trickle would go unseen."""
    deadline = time.monotonic() + settings.PROVIDER_READ_SECONDS
    body = bytearray()
    while chunk := response.raw.read1(65536, decode_content=True):
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise ProviderError(provider=provider, reason="the answer is too large")
        if time.monotonic() > deadline:
            raise ProviderTimeout(provider=provider, reason="the answer trickles")
    return bytes(body)


def _credentials(url: str) -> tuple[str, str] | None:
    """Return the name and password that an address holds, where it does."""
    found = get_auth_from_url(url)
    return found if any(found) else None


def _target(response: requests.Response, asked: str) -> str:
    """Return the address that a redirect leads to."""
    try:
        # http.client reads headers as Latin-1; addresses are written in UTF-8.
        target = urljoin(asked, response.headers["Location"].encode("latin-1").decode("utf-8", "replace"))
        urlsplit(target).port  # noqa: B018 raises where it is none
    except ValueError as exc:
        raise requests.exceptions.InvalidURL("the redirect's address is none") from exc
    return target


def _reason(exc: requests.RequestException | HTTPError) -> str:
    """Name the fault, not the address or headers: an exception's own text may hold both."""
    if isinstance(exc, AddressRefused):
        return "its address is a private one, and OUTGOING_ALLOWED does not name it"
    if isinstance(exc, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(exc, requests.ConnectionError):
        return "no connection"
    if isinstance(exc, DecodeError):
        return "the answer cannot be unpacked"
    if isinstance(exc, HTTPError):
        return "the answer broke off"
    return type(exc).__name__
