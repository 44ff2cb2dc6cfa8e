"""What beat sends to workers, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery import Celery
from celery.beat import Scheduler
from django.db import OperationalError, connection
from django_celery_beat.models import PeriodicTask
from kombu.utils.imports import symbol_by_name

from dashboard.schedules import ENTRIES, sync_schedule

pytestmark = pytest.mark.django_db(transaction=True)  # beat closes connections that grow old

NIGHT = datetime(2026, 11, 22, 3, 30, tzinfo=ZoneInfo("Asia/Seoul"))  # half an hour before pruning
AHEAD = NIGHT + timedelta(hours=2)
EACH_ONCE = Counter(entry.task for entry in ENTRIES)


@pytest.fixture
def start_beat(settings) -> Iterator[Callable[[], Scheduler]]:
    """The scheduler that settings name, with a broker of its own; no results, and so no entry that cleans them up."""
    app = Celery("beat", broker="memory://", set_as_current=False)
    app.conf.update(timezone=settings.CELERY_TIMEZONE, result_expires=None)
    with time_machine.travel(NIGHT, tick=False):
        sync_schedule()
    beats: list[Scheduler] = []

    def start() -> Scheduler:
        beats.append(symbol_by_name(settings.CELERY_BEAT_SCHEDULER)(app=app))
        return beats[-1]

    yield start
    for beat in beats:
        beat._finalize.cancel()  # at the end of the process it would write to tables that are gone
    app.close()


def sent_by(beat: Scheduler) -> Counter[str]:
    """Tick until nothing is due; return how often each task was sent."""
    while beat.tick() <= 0:
        pass
    tasks: Counter[str] = Counter()
    with beat.app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        for _ in range(queue.qsize()):
            message = queue.get_nowait()
            message.ack()
            tasks[message.headers["task"]] += 1
    return tasks


def test_beat_sends_each_entry_at_its_interval(start_beat):
    sent: Counter[str] = Counter()
    with time_machine.travel(NIGHT, tick=False) as clock:
        beat = start_beat()
        for _ in range(0, 3600, 5):
            clock.shift(5)
            sent += sent_by(beat)

    assert sent == Counter({entry.task: 3600 // entry.seconds if entry.seconds else 1 for entry in ENTRIES})


def refuse(*args: object) -> None:
    raise OperationalError("the database is away")


def test_beat_goes_on_while_the_database_is_away(start_beat):
    with time_machine.travel(NIGHT, tick=False) as clock:
        beat = start_beat()
        sent_by(beat)
        with connection.execute_wrapper(refuse):
            clock.shift(600)  # past the time after which it reads all entries anew, changed or not
            due = Counter(entry.task for entry in ENTRIES if entry.seconds and entry.seconds <= 600)
            assert sent_by(beat) == due
            assert sent_by(beat) == Counter()

        PeriodicTask.objects.filter(task="dashboard.tasks.sweep_runs").update(enabled=False)
        clock.shift(30)
        # The entries are read anew; no row knows what was sent meanwhile, to tasks that could do nothing.
        assert sent_by(beat) == due - Counter(["dashboard.tasks.sweep_runs"])


def test_a_beat_that_starts_while_the_database_is_away_takes_up_the_schedule_later(start_beat):
    with time_machine.travel(NIGHT, tick=False) as clock:
        with connection.execute_wrapper(refuse):
            beat = start_beat()
            assert sent_by(beat) == Counter()

        clock.shift(5)
        assert sent_by(beat) == Counter()
        clock.shift(15)
        assert sent_by(beat) == Counter(["dashboard.tasks.schedule_companies"])


def test_beat_goes_on_at_once_when_the_clock_is_set_back(start_beat):
    with time_machine.travel(AHEAD, tick=False) as clock:
        beat = start_beat()
        assert sent_by(beat) == EACH_ONCE

        clock.move_to(NIGHT)
        assert sent_by(beat) == EACH_ONCE
        assert sent_by(beat) == Counter()
        clock.shift(15)
        assert sent_by(beat) == Counter(["dashboard.tasks.schedule_companies"])


def test_a_beat_that_starts_after_the_clock_was_set_back_goes_by_the_right_one(start_beat):
    with time_machine.travel(AHEAD, tick=False) as clock:
        before = start_beat()
        sent_by(before)
        before.close()

        clock.move_to(NIGHT)
        beat = start_beat()
        assert sent_by(beat) == EACH_ONCE
        assert sent_by(beat) == Counter()
        beat.close()

    assert {entry.last_run_at for entry in PeriodicTask.objects.all()} == {NIGHT}


def test_an_entry_switched_off_stays_off_when_the_clock_is_set_back(start_beat):
    with time_machine.travel(AHEAD, tick=False) as clock:
        beat = start_beat()
        sent_by(beat)
        sweep = PeriodicTask.objects.get(task="dashboard.tasks.sweep_runs")
        sweep.enabled = False
        clock.move_to(NIGHT)
        sweep.save()

        assert sent_by(beat) == EACH_ONCE - Counter([sweep.task])
