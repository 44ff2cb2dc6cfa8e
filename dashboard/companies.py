"""Which companies are watched, and how."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from dashboard import history
from dashboard.errors import CompanyExists, NotMonitored
from dashboard.models import Company
from dashboard.selectors import not_monitored
from search import inventory
from search.text import normalize_alias, normalize_company


def watch(*, name: str, **fields: object) -> Company:
    """Watch a company from now on; one asked for before keeps its history. Raises InvalidName, CompanyExists."""
    company, _ = Company.objects.get_or_create(name=normalize_company(name))
    if company.is_watched:
        raise CompanyExists(name=company.name)
    try:
        return save(company, {"is_watched": True, **fields})
    except NotMonitored:  # deleted between the two
        return watch(name=name, **fields)


def change(current: str, /, **fields: object) -> Company:
    """Change a company. Raises InvalidName, NotMonitored, CompanyExists where the new name is taken."""
    return save(known(current), fields)


def remove(name: str) -> None:
    """Forget a company, its history and what is cached of it. Raises InvalidName, NotMonitored."""
    forget(known(name))


def forget(company: Company) -> None:
    """Delete a company, its history and what is cached of it: a year of history in portions, its oldest runs first.

    Whatever ends it half way leaves a company that nobody watches with its newest runs; asked again, it goes on there.
    Call it outside any transaction: each portion is one of its own.
    """
    Company.objects.filter(pk=company.pk).update(is_watched=False, next_run_at=None)
    history.delete_runs_of(company)
    with transaction.atomic():
        company.analyses.all().delete()  # the open run too: before the company, as its worker writes them, no deadlock
        Company.objects.select_for_update().filter(pk=company.pk).exists()  # no further analysis is kept from here on
        company.delete()  # with those kept between the two
    inventory.forget_subject(company.name)  # or an answer would name an analysis that is gone


def known(name: str) -> Company:
    """Return a company, watched or not. Raises InvalidName, NotMonitored."""
    company = Company.objects.filter(name=normalize_company(name)).first()
    if company is None:
        raise not_monitored(name)
    return company


def clean_aliases(aliases: Iterable[str]) -> list[str]:
    """Return aliases as they are compared and kept, each once. Raises InvalidName."""
    return list(dict.fromkeys(map(normalize_alias, aliases)))


def save(company: Company, fields: dict[str, object]) -> Company:
    """Write these columns; whoever is newly watched, or at a new interval, is analysed at once.

    What is cached under a name goes with the name. Raises NotMonitored where the company was deleted since it was
    read, CompanyExists.
    """
    current = company.name
    stored = Company.objects.filter(pk=company.pk).values_list("name", flat=True)  # a form has set the new one already
    left = stored.exclude(name=fields["name"]).first() if "name" in fields else None
    if fields.keys() & {"is_watched", "interval_minutes"}:
        is_watched = fields.get("is_watched", company.is_watched)
        fields = {**fields, "next_run_at": timezone.now() if is_watched else None}
    for field, value in fields.items():
        setattr(company, field, value)
    try:
        with transaction.atomic():
            company.save(update_fields=list(fields))  # and not what others have changed since it was read
    except IntegrityError as exc:
        raise CompanyExists(name=company.name) from exc
    except DatabaseError as exc:  # there was no row to write to, or another fault
        if Company.objects.filter(pk=company.pk).exists():
            raise
        raise not_monitored(current) from exc
    if left:
        transaction.on_commit(partial(inventory.forget_subject, left))
    return company
