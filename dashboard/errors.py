"""What can go wrong with what is kept."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from newsservice.errors import DomainError


class NotMonitored(DomainError):
    """`details["monitored_companies"]` names those that are."""

    code = "NOT_FOUND"
    status = 404
    text = _("%(company)s is not monitored.")


class UnknownTask(DomainError):
    code = "NOT_FOUND"
    status = 404
    text = _("There is no task %(task_id)s.")


class CompanyExists(DomainError):
    code = "VALIDATION_ERROR"
    status = 400
    text = _("There is a company %(name)s already.")


class WorkerUnavailable(DomainError):
    code = "WORKER_UNAVAILABLE"
    status = 503
    text = _("No worker is there to run analyses.")


class RunTooLong(DomainError):
    """Of a run in the background; in a process of its own Celery stops it."""

    code = "TIME_LIMIT"
    status = 504
    text = _("The analysis took longer than %(seconds)d seconds.")
