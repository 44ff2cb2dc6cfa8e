"""The schedule in the admin: looked at by some, switched by those who may change it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_celery_beat.models import PeriodicTask

from dashboard.schedules import sync_schedule
from tests.test_browse_the_admin import shown, signed_in, staff

pytestmark = pytest.mark.django_db

SCHEDULE = "/admin/django_celery_beat/periodictask/"


def switch_schedule(client: Client, action: str) -> set[bool]:
    """Do this to all entries; return whether they are on then."""
    client.post(
        SCHEDULE, {"action": action, "_selected_action": list(PeriodicTask.objects.values_list("pk", flat=True))}
    )
    return set(PeriodicTask.objects.values_list("enabled", flat=True))


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_who_may_only_look_at_the_schedule_switches_nothing_off(action):
    sync_schedule()
    assert switch_schedule(staff("view_periodictask"), action) == {True}


def test_who_may_change_the_schedule_switches_it_off_and_on(admin_user: User):
    sync_schedule()
    changer = staff("view_periodictask", "change_periodictask")
    assert switch_schedule(changer, "disable_tasks") == {False}
    assert switch_schedule(changer, "enable_tasks") == {True}
    assert switch_schedule(changer, "toggle_tasks") == {False}
    assert "run_tasks" not in shown(signed_in(admin_user), SCHEDULE)  # in the embedded mode it has no broker
