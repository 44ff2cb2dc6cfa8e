"""How gunicorn serves News Service; what an operator may change is in newsservice/settings.py."""

import gc
import logging

from gunicorn.arbiter import Arbiter

from newsservice import settings
from newsservice.version import VERSION

host = f"[{settings.BIND_ADDRESS}]" if ":" in settings.BIND_ADDRESS else settings.BIND_ADDRESS  # IPv6
bind = f"{host}:{settings.PORT}"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
worker_class = "gthread"
wsgi_app = "newsservice.wsgi:application"
timeout = 120
graceful_timeout = 30
keepalive = 30
max_requests_jitter = 0
control_socket_disable = True
logconfig_dict = settings.LOGGING


def on_starting(server: Arbiter) -> None:
    from newsservice import metrics  # after settings, which say where

    metrics.forget_dead(settings.METRICS_DIR)


def post_worker_init(worker: object) -> None:
    """In the embedded mode analyses run, and are scheduled, in threads of the web process.

    What the start left on the heap stays: no full collection walks it again (80 to 120 ms each).
    """
    gc.collect()
    gc.freeze()
    from mlcore import choice

    choice.known_name()  # has it read: /health goes by what was read
    if settings.BACKGROUND == "embedded":
        from dashboard import embedded

        embedded.start()


def when_ready(server: Arbiter) -> None:
    logging.getLogger("newsservice").info("News Service v%s 시작 완료: http://%s", VERSION, bind)
