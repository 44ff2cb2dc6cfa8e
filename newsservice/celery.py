"""The Celery application: workers run analyses, beat asks for them. Only where BACKGROUND is celery."""

import os

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init
from django_structlog.celery.steps import DjangoStructLogInitStep

from newsservice import observability

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsservice.settings")

app = Celery("newsservice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Leave logging as Django's LOGGING says: Celery sets up its own where nobody listens here."""


@worker_init.connect
@beat_init.connect
def start_observability(**kwargs: object) -> None:
    observability.start()
