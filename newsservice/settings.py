"""All settings, flat. What an operator may change is read from the environment (newsservice/env.py)."""

from __future__ import annotations

import logging
import os
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from corsheaders.defaults import default_headers
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from newsservice.database import BoundedConnection
from newsservice.env import (
    env_bool,
    env_choice,
    env_float,
    env_int,
    env_list,
    env_path,
    env_str,
    env_url,
    read_dotenv,
    section,
)
from newsservice.logs import logging_config
from newsservice.version import VERSION

BASE_DIR = Path(__file__).resolve().parent.parent
read_dotenv(BASE_DIR / ".env", Path("/app/.env"))

section("Service")
DEBUG = env_bool(
    "DJANGO_DEBUG",
    True,
    "The embedded default: open, for one machine, answering on loopback names only. false for everything else.",
)
SECRET_KEY = env_str("DJANGO_SECRET_KEY", "", "Signs sessions. Required when DJANGO_DEBUG is false.", secret=True)
ALLOWED_HOSTS = env_list(
    "DJANGO_ALLOWED_HOSTS", [], "Host names the service answers to. Required when DJANGO_DEBUG is false."
)
CSRF_TRUSTED_ORIGINS = env_list(
    "DJANGO_CSRF_TRUSTED_ORIGINS",
    [],
    "Origins whose forms the admin takes, as https://news.example.com; where empty, those of DJANGO_ALLOWED_HOSTS. "
    "Required when that holds * and DJANGO_DEBUG is false.",
)
API_KEYS_REQUIRED = env_bool(
    "API_KEYS_REQUIRED",
    not DEBUG,
    "Answer to API keys (`manage.py create_api_key`) and to who is signed in to the admin only. By default the "
    "opposite of DJANGO_DEBUG.",
)
RATE_LIMITS = env_bool(
    "RATE_LIMITS",
    not DEBUG,
    "Count calls by the minute and refuse what is too much. By default the opposite of DJANGO_DEBUG.",
)
RATE_PER_KEY = env_int(
    "RATE_PER_KEY",
    600,
    "Calls a minute of one key, or one who is signed in; a batch counts its searches.",
    at_least=1,
)
RATE_PER_ADDRESS = env_int(
    "RATE_PER_ADDRESS",
    60,
    "Calls a minute of one address without a good key, bad keys among them; and as many tries to sign in.",
    at_least=1,
)
RATE_LIVE = env_int(
    "RATE_LIVE", 60, "Of these, analyses, triggers, tests, and searches with force_refresh.", at_least=1
)
NUM_PROXIES = env_int(
    "NUM_PROXIES",
    0,
    "Proxies in front that each add to X-Forwarded-For. 0: a client's address is the connection's.",
    at_most=10,
)
CORS_ALLOWED_ORIGINS = env_list(
    "CORS_ALLOWED_ORIGINS", [], "Other sites whose scripts may ask the API, with a key, as https://app.example.com."
)
LOGIN_FAILURES = env_int(
    "LOGIN_FAILURES", 5, "Wrong passwords for a name from an address before both wait.", at_least=1
)
LOGIN_LOCK_MINUTES = env_int("LOGIN_LOCK_MINUTES", 15, "How long they wait.", at_least=1, at_most=7 * 24 * 60)
HTTPS_ONLY = env_bool(
    "HTTPS_ONLY",
    not DEBUG,
    "Send browsers to https, mark cookies as secure, announce HSTS. By default the opposite of DJANGO_DEBUG; false "
    "for a network of one's own without TLS.",
)
TRUST_FORWARDED_PROTO = env_bool(
    "TRUST_FORWARDED_PROTO",
    False,
    "true behind a proxy that ends TLS and sets X-Forwarded-Proto itself, whatever a client sent.",
)
HSTS_SECONDS = env_int(
    "HSTS_SECONDS", 365 * 86400, "How long browsers ask by https alone, with HTTPS_ONLY.", at_most=2 * 365 * 86400
)
HSTS_SUBDOMAINS = env_bool("HSTS_SUBDOMAINS", False, "Announce the same for all names below the service's.")
BIND_ADDRESS = env_str("BIND_ADDRESS", "127.0.0.1", "Address to listen on.").strip("[]")
PORT = env_int("PORT", 8002, "Port to listen on.", at_least=1, at_most=65535, aliases=["SERVICE_PORT"])
WEB_WORKERS = env_int(
    "WEB_WORKERS", 1, "Web processes. More than one share a cache only through Redis.", at_least=1, at_most=64
)
WEB_THREADS = env_int("WEB_THREADS", 16, "Requests answered at once by one process.", at_least=1, at_most=256)
LANGUAGE_CODE = env_choice(
    "LANGUAGE_CODE", "ko", "Language of messages where a client asks for none.", choices=["ko", "en"]
)
LOG_LEVEL = env_choice(
    "LOG_LEVEL",
    "INFO",
    "Least severe line to log.",
    choices=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
)
LOG_FORMAT = env_choice(
    "LOG_FORMAT", "auto", "auto: text on a terminal, JSON lines elsewhere.", choices=["auto", "text", "json"]
)
SENTRY_DSN = env_url(
    "SENTRY_DSN",
    "",
    "Where unforeseen errors are told: a DSN of Sentry or its like. Needs requirements/observability.txt.",
    schemes=["http", "https"],
    secret=True,
)
OTEL_EXPORTER_OTLP_ENDPOINT = env_url(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "",
    "An OTLP/HTTP collector that takes traces, as http://127.0.0.1:4318. Needs requirements/observability.txt; the "
    "other OTEL_* variables of OpenTelemetry's SDK hold too.",
    schemes=["http", "https"],
)
MAX_BODY_BYTES = env_int("MAX_BODY_BYTES", 1_000_000, "Longest request body accepted.", at_least=1_000)

section("Data")
DATA_DIR = env_path("DATA_DIR", BASE_DIR / "var", "Where the embedded database and archive are kept.", base=BASE_DIR)
DATABASE_URL = env_url(
    "DATABASE_URL",
    "",
    "postgres://user:password@host/name in production, with libpq's options behind a ? (sslmode=verify-full); SQLite "
    "under DATA_DIR where empty.",
    schemes=["sqlite", "postgres", "postgresql"],
    secret=True,
)
DATABASE_SECONDS = env_float(
    "DATABASE_SECONDS",
    5,
    "Longest a request waits for PostgreSQL's answer, and as long for a connection; then it is told so (503).",
    at_least=0.1,
    at_most=120,
)
REDIS_URL = env_url(
    "REDIS_URL",
    "",
    "redis://:password@host:6379/1 shares the cache between processes and restarts; local memory otherwise.",
    schemes=["redis", "rediss", "unix"],
    secret=True,
)

section("News provider")
NEWS_PROVIDER = env_choice(
    "NEWS_PROVIDER",
    "auto",
    "auto: Naver if keys are set, else RSS if the feeds can be reached, else the archive.",
    choices=["auto", "naver", "rss", "archive"],
)
NAVER_CLIENT_ID = env_str("NAVER_CLIENT_ID", "", "Key of the Naver search API.", secret=True)
NAVER_CLIENT_SECRET = env_str("NAVER_CLIENT_SECRET", "", "Secret of the Naver search API.", secret=True)
NAVER_API = env_choice(
    "NAVER_API",
    "developers",
    "Which of Naver's two doors the key opens: developers (ends 2027-06-30) or hub, its successor.",
    choices=["developers", "hub"],
)
NAVER_SEARCH_URL = env_url(
    "NAVER_SEARCH_URL", "", "Another address for the news search, such as a proxy.", schemes=["http", "https"]
)
NAVER_CALLS_PER_SECOND = env_int(
    "NAVER_CALLS_PER_SECOND", 10, "Calls this process makes a second at most.", at_least=1, at_most=1000
)
NAVER_DAILY_QUOTA = env_int(
    "NAVER_DAILY_QUOTA", 25_000, "Calls of a day, all processes together; none is made beyond.", at_least=1
)
NAVER_QUOTA_RESERVE = env_int(
    "NAVER_QUOTA_RESERVE",
    2_500,
    "How many of them are kept for people: scheduled analyses wait for the next day when no more are left.",
    at_least=0,
)
NAVER_QUOTA_RESET_HOUR = env_int(
    "NAVER_QUOTA_RESET_HOUR", 0, "Hour, Seoul's time, at which Naver counts anew.", at_least=0, at_most=23
)
NEWS_RSS_SEARCH_URL = env_url(
    "NEWS_RSS_SEARCH_URL",
    "https://news.google.com/rss/search?q={query}&hl=ko&gl=KR&ceid=KR:ko",
    "A news search that answers in RSS or Atom; {query} is replaced.",
    schemes=["http", "https"],
)
NEWS_RSS_FEEDS = env_list("NEWS_RSS_FEEDS", [], "Further feeds, read whole and filtered by the query.")
OUTGOING_ALLOWED = env_list(
    "OUTGOING_ALLOWED",
    [],
    "Networks beside the public ones that feeds may be read from, as 10.1.2.0/24: by default no feed, and no redirect "
    "of one, leads to private, loopback or link-local addresses. NAVER_SEARCH_URL is yours, and always asked.",
)
PROVIDER_CONNECT_SECONDS = env_float(
    "PROVIDER_CONNECT_SECONDS", 3, "Longest wait for a connection to a provider.", at_least=0.1, at_most=60
)
PROVIDER_READ_SECONDS = env_float(
    "PROVIDER_READ_SECONDS", 8, "Longest wait for a provider's whole reply.", at_least=0.1, at_most=120
)

section("Companies and analysis")
MONITORED_COMPANIES = env_list("MONITORED_COMPANIES", ["삼성전자", "LG전자"], "Companies watched from the start.")
ANALYSIS_SCHEDULE_MINUTES = env_int(
    "ANALYSIS_SCHEDULE_MINUTES",
    30,
    "How often a watched company is analysed, where it has no interval of its own.",
    at_least=1,
    at_most=7 * 24 * 60,
    aliases=["ANALYSIS_INTERVAL_MINUTES"],
)
ANALYSIS_MAX_RESULTS = env_int(
    "ANALYSIS_MAX_RESULTS", 100, "Stories a background analysis judges at most.", at_least=1, at_most=1000
)
ANALYZE_WAIT_SECONDS = env_float(
    "ANALYZE_WAIT_SECONDS",
    30,
    "How long a request waits for an analysis on a worker before it is told where to look.",
    at_least=0,
    at_most=300,
)
HISTORY_MAX_COUNT = env_int("HISTORY_MAX_COUNT", 50, "Analyses kept of a company.", at_least=1)
HISTORY_EXPIRE_DAYS = env_int("HISTORY_EXPIRE_DAYS", 7, "Days an analysis is kept; the newest stays.", at_least=1)
SIMILARITY_THRESHOLD = env_float(
    "SIMILARITY_THRESHOLD",
    0.75,
    "From which similarity on two articles are one story.",
    at_least=0,
    at_most=1,
)

section("Smart cache")
CACHE_ENABLED = env_bool("CACHE_ENABLED", True, "false: every answer is made anew.")
SEARCH_CACHE_SECONDS = env_int(
    "SEARCH_CACHE_SECONDS", 30 * 60, "How long a search stays fresh.", at_least=1, at_most=30 * 86400
)
CACHE_TTL_HOURS = env_float(
    "CACHE_TTL_HOURS",
    24,
    "How long an analysis stays fresh.",
    at_least=0.001,
    at_most=24 * 30,
    aliases=["CACHE_EXPIRE_HOURS"],
)
CACHE_STALE_HOURS = env_float(
    "CACHE_STALE_HOURS",
    72,
    "How much longer a stale answer may be served: while it is refreshed, or while the provider is down.",
    at_least=0,
    at_most=24 * 90,
)
PREDICTION_CACHE_HOURS = env_float(
    "PREDICTION_CACHE_HOURS",
    24 * 7,
    "How long a model's word on a text is kept.",
    at_least=0.1,
    at_most=24 * 90,
)
EMPTY_CACHE_SECONDS = env_int("EMPTY_CACHE_SECONDS", 120, "How long an empty search stays fresh.", at_least=1)
ERROR_CACHE_SECONDS = env_int(
    "ERROR_CACHE_SECONDS",
    5,
    "How long a provider's failure answers the same question.",
    at_least=1,
    at_most=300,
)
LOCAL_CACHE_ENTRIES = env_int(
    "LOCAL_CACHE_ENTRIES", 20_000, "Entries of the local memory cache at most.", at_least=100
)

section("Background work")
BACKGROUND = env_choice(
    "BACKGROUND",
    "auto",
    "Who runs analyses: embedded (threads of the web process), celery (workers); auto: celery if REDIS_URL is set.",
    choices=["auto", "embedded", "celery"],
)
CELERY_BROKER_URL = env_url(
    "CELERY_BROKER_URL",
    "",
    "Redis that carries tasks to workers; where empty, database 0 of REDIS_URL's server.",
    schemes=["redis", "rediss"],
    secret=True,
)
WORKER_CONCURRENCY = env_int(
    "WORKER_CONCURRENCY",
    1,
    "Analyses a worker runs at once; each process holds its models.",
    at_least=1,
    at_most=64,
)
WORKER_PREFETCH_MULTIPLIER = env_int(
    "WORKER_PREFETCH_MULTIPLIER", 1, "Tasks a worker takes ahead, for each it runs at once.", at_least=1, at_most=16
)
RUN_SECONDS = env_int(
    "RUN_SECONDS", 900, "Longest an analysis may take in the background.", at_least=10, at_most=6 * 3600
)
RUN_RETRIES = env_int("RUN_RETRIES", 3, "Further tries of an analysis whose provider failed.", at_most=20)
RUN_RETRY_SECONDS = env_int("RUN_RETRY_SECONDS", 300, "Wait before the first of them; it doubles.", at_least=1)

section("Models")
MODELS_DIR = env_path(
    "MODELS_DIR",
    BASE_DIR / "models",
    "Holds {MODEL_NAME}_category and {MODEL_NAME}_sentiment.",
    base=BASE_DIR,
)
MODEL_NAME = env_str("MODEL_NAME", "test123", "The pair to classify with, until `manage.py switch_model` chose one.")
MIN_COPY_AGREEMENT = env_float(
    "MIN_COPY_AGREEMENT",
    0.98,
    "Share of texts on which a copy in another precision must agree with its original to be switched to.",
    at_least=0,
    at_most=1,
)
MLCORE_FALLBACK = env_bool(
    "MLCORE_FALLBACK", True, "false: an unusable model is a 503 rather than an analysis by keywords."
)
MODEL_LABELS = {
    "category": env_list(
        "MODEL_LABELS_CATEGORY", [], "Labels by index, for a category model that names none: 기타,E,S,G."
    ),
    "sentiment": env_list(
        "MODEL_LABELS_SENTIMENT",
        [],
        "Labels by index, for a sentiment model that names none: 부정,중립,긍정.",
    ),
}
ML_BATCH_SIZE = env_int(
    "ML_BATCH_SIZE",
    0,
    "Texts a model reads at once at most; 0: 32 on the CPU, 64 on Apple's GPU, 256 on CUDA.",
    at_most=1024,
)
ML_PRECISION = env_choice(
    "ML_PRECISION",
    "auto",
    "Numbers models compute in. auto: float16 on CUDA; on the CPU int8, where it multiplies that and a copy by "
    "optimize_models agrees on 99 %, else bfloat16, where it multiplies that, else float32. "
    "float16 on the CPU is taken for auto.",
    choices=["auto", "float32", "bfloat16", "float16"],
)
INFERENCE_TIMEOUT = env_float(
    "INFERENCE_TIMEOUT", 120, "Longest an analysis waits for the models, seconds.", at_least=0.1, at_most=3600
)
TORCH_NUM_THREADS = env_int(
    "TORCH_NUM_THREADS",
    0,
    "Threads of the models on the CPU, all together; 0: as many as cores the process may use, which a worker's "
    "processes share.",
)

# --- From here on: decided by us, not by the operator -------------------------------------------------------

if DEBUG:
    SECRET_KEY = SECRET_KEY or "embedded-mode-on-loopback-signs-nothing-of-value-0123456789abcdef"
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
else:
    for name, value in (("DJANGO_SECRET_KEY", SECRET_KEY), ("DJANGO_ALLOWED_HOSTS", ALLOWED_HOSTS)):
        if not value:
            raise ImproperlyConfigured(f"{name} is required when DJANGO_DEBUG is false.")
    if "*" in ALLOWED_HOSTS and not CSRF_TRUSTED_ORIGINS:
        raise ImproperlyConfigured("DJANGO_CSRF_TRUSTED_ORIGINS is required where DJANGO_ALLOWED_HOSTS holds *.")
    CSRF_TRUSTED_ORIGINS = CSRF_TRUSTED_ORIGINS or [
        f"https://{f'*{host}' if host.startswith('.') else host}" for host in ALLOWED_HOSTS
    ]
for name, origins in (
    ("DJANGO_CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS),
    ("CORS_ALLOWED_ORIGINS", CORS_ALLOWED_ORIGINS),
):
    for origin in origins:
        if not re.fullmatch(r"https?://[^/\s]+", origin) or (name.startswith("CORS") and "*" in origin):
            raise ImproperlyConfigured(f"{name}: {origin!r} is no origin; use https://host.")
if SENTRY_DSN and not re.fullmatch(r"https?://[^/@]+@[^/@]+/([^?#]*/)?\d+", SENTRY_DSN):
    raise ImproperlyConfigured("SENTRY_DSN: use https://KEY@HOST/PROJECT, its project a number.")
if bool(NAVER_CLIENT_ID) != bool(NAVER_CLIENT_SECRET):
    raise ImproperlyConfigured("NAVER_CLIENT_ID and NAVER_CLIENT_SECRET: set both or neither.")
for name, value in (("NAVER_CLIENT_ID", NAVER_CLIENT_ID), ("NAVER_CLIENT_SECRET", NAVER_CLIENT_SECRET)):
    if not value.isascii() or not value.isprintable():
        raise ImproperlyConfigured(f"{name}: holds characters no key has; it goes into a header.")
if NEWS_PROVIDER == "naver" and not NAVER_CLIENT_ID:
    raise ImproperlyConfigured("NEWS_PROVIDER='naver': needs NAVER_CLIENT_ID and NAVER_CLIENT_SECRET.")
if NAVER_QUOTA_RESERVE >= NAVER_DAILY_QUOTA:
    raise ImproperlyConfigured("NAVER_QUOTA_RESERVE: must be less than NAVER_DAILY_QUOTA.")
if "{query}" not in NEWS_RSS_SEARCH_URL:
    raise ImproperlyConfigured("NEWS_RSS_SEARCH_URL: must hold {query}.")

for network in OUTGOING_ALLOWED:
    try:
        ip_network(network)
    except ValueError as exc:
        raise ImproperlyConfigured(f"OUTGOING_ALLOWED: {network!r} is no network; use 10.1.2.0/24.") from exc

# What one process does at once: answers or, where they are threads, analyses.
AT_ONCE = max(WEB_THREADS, WORKER_CONCURRENCY)

# Articles brought in by `manage.py import_articles`.
ARCHIVE_PATH = DATA_DIR / "archive.sqlite3"

if BACKGROUND == "auto":
    BACKGROUND = "celery" if REDIS_URL else "embedded"
CELERY_BROKER_URL = CELERY_BROKER_URL or (urlsplit(REDIS_URL)._replace(path="/0").geturl() if REDIS_URL else "")
if BACKGROUND == "celery" and not CELERY_BROKER_URL.startswith("redis"):
    raise ImproperlyConfigured("BACKGROUND='celery': needs REDIS_URL or CELERY_BROKER_URL.")

ANALYSIS_CACHE_SECONDS = round(CACHE_TTL_HOURS * 3600)
STALE_CACHE_SECONDS = round(CACHE_STALE_HOURS * 3600)
PREDICTION_CACHE_SECONDS = round(PREDICTION_CACHE_HOURS * 3600)

ROOT_URLCONF = "newsservice.urls"
WSGI_APPLICATION = "newsservice.wsgi.application"
APPEND_SLASH = False
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "csp",
    "corsheaders",
    "axes",
    "mlcore",
    "search",
    "dashboard",
    "system",
]

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
# Who asks these is on this machine or in this network, and speaks no TLS: containers, schedulers, `serve`.
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^api/v1/health$", r"^api/v1/system/(health|ready|metrics)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_FORWARDED_PROTO else None
SECURE_HSTS_SECONDS = HSTS_SECONDS if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HSTS_SUBDOMAINS
# Whether every name below this one speaks https only its owner knows: HSTS_SUBDOMAINS is asked for, not missed.
SILENCED_SYSTEM_CHECKS = [] if HSTS_SUBDOMAINS else ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "newsservice.reports.NoSecrets"
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = (*default_headers, "x-api-key")
CORS_EXPOSE_HEADERS = ("Retry-After", "X-Request-ID")
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = LOGIN_FAILURES
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_LOCK_MINUTES)
# Both together: who guesses locks out nobody else, and knows no name that stays open to guesses from there.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "system.addresses.login_address"
AXES_LOCKOUT_CALLABLE = "system.views.locked_out"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True
# Of every page, in every mode; ReDoc's own exception is in newsservice/urls.py.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
MIDDLEWARE = [
    "system.metrics.RequestMetricsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "newsservice.api.ErrorEnvelopeMiddleware",
    "newsservice.database.DatabasePatienceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATA_DIR.mkdir(parents=True, exist_ok=True)
# Where each process counts (newsservice/metrics.py); read by prometheus_client when it is imported.
METRICS_DIR = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(DATA_DIR / "metrics")))
METRICS_DIR.mkdir(parents=True, exist_ok=True)
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(DATABASE_URL or f"sqlite:///{DATA_DIR / 'news.sqlite3'}")
}
# What DATABASE_URL says of the connection itself (?sslmode=verify-full&…) stands above what is said here.
SAID = DATABASES["default"].get("OPTIONS", {})
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["CONN_MAX_AGE"] = 600  # opening the file costs as much as most answers
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        **SAID,
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a restarted server costs no request
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # A host that vanishes does not even hang up: half a minute of silence ends a connection, whether a question is
        # still on its way to it (else retried for a quarter of an hour) or its answer is awaited (else for two hours).
        "tcp_user_timeout": 30_000,
        "keepalives_idle": 10,
        "keepalives_interval": 10,
        "pool": {
            "min_size": 1,
            "max_size": AT_ONCE + 4,
            "timeout": DATABASE_SECONDS,
            # Tries come ever more seldom, until they are given up; then who asks next has it try at once. By default
            # that takes five minutes: a server that was away for two was not asked for two more.
            "reconnect_timeout": DATABASE_SECONDS,
            "connection_class": BoundedConnection,
        },
        **SAID,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def redis_cache(url: str) -> dict[str, Any]:
    """Return the cache configuration of a Redis."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "news",
        "OPTIONS": {
            # search/store.py keeps compressed JSON, which is bytes; a pickle never comes back from Redis.
            "SERIALIZER": "django_redis.serializers.msgpack.MSGPackSerializer",
            # Each under half a second: the most a vanished Redis may hold up a request.
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.4,
            "CONNECTION_POOL_KWARGS": {
                # Once more, at once, on a connection that a restart closed; never after a timeout.
                "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
                "max_connections": 4 * AT_ONCE,
            },
        },
    }


def local_cache(entries: int) -> dict[str, Any]:
    """Return the cache configuration of this process's memory."""
    return {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": entries},
    }


CACHES = {"default": redis_cache(REDIS_URL) if REDIS_URL else local_cache(LOCAL_CACHE_ENTRIES)}

LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "Asia/Seoul"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True

# A message only says that a row waits; the rows are the truth (dashboard.services).
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = RUN_SECONDS + 30
CELERY_TASK_SOFT_TIME_LIMIT = RUN_SECONDS
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 2 * RUN_SECONDS + 60,  # longer than any task, so that none is delivered twice
    "socket_connect_timeout": 1,
    "socket_timeout": 10,
}
# The last of the priorities in Redis (0 is the first): what schedules and sweeps goes before analyses that wait.
CELERY_TASK_ROUTES = {"dashboard.tasks.run_analysis": {"priority": 9}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY
CELERY_WORKER_PREFETCH_MULTIPLIER = WORKER_PREFETCH_MULTIPLIER
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "dashboard.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = TIME_ZONE
DJANGO_CELERY_BEAT_TZ_AWARE = True
DJANGO_STRUCTLOG_CELERY_ENABLED = True

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["newsservice.media.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["newsservice.media.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["system.access.KeyAuthentication", "system.access.StaffAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["system.access.MayAsk"],
    "DEFAULT_THROTTLE_CLASSES": ["system.throttles.CallThrottle"],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "newsservice.api.handle_exception",
    "DEFAULT_SCHEMA_CLASS": "newsservice.api.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "News Service",
    "DESCRIPTION": "What the Korean press says about the companies you watch.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["system.access.MayAsk"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENFORCE_NON_BLANK_FIELDS": True,
    # Two answers share these words, and the name made up for them would be a hash.
    "ENUM_NAME_OVERRIDES": {
        "OutcomeStatusEnum": ["success", "error", "no_data"],
        "CheckStatusEnum": "system.serializers.STATES",
    },
}

DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
LOGGING = logging_config(level=LOG_LEVEL, fmt=LOG_FORMAT)
