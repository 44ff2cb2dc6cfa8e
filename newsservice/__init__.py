"""News Service: what the Korean press says about the companies you watch."""

from newsservice.celery import app as celery_app  # so that every task finds our broker

__all__ = ["celery_app"]
