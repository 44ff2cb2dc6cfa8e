"""What was kept, and when. Rows state the rules, so that no code path can forget them.

An article is one row however often it is seen; what a pair of models said of it is one row however often it is
asked (docs/decisions/0010-history.md). A run keeps its summary and, in one list, which of those rows it showed.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _


class CompactEncoder(json.JSONEncoder):
    """Korean as it is written, without blanks: half the bytes in SQLite, and legible in the admin."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ensure_ascii": False, "separators": (",", ":")})


class Company(models.Model):
    """A company somebody asked for; watched ones are analysed by schedule."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    aliases = models.JSONField(_("aliases"), default=list, blank=True)
    stock_code = models.CharField(_("stock code"), max_length=12, blank=True)
    is_watched = models.BooleanField(_("watched"), default=False)
    # By MONITORED_COMPANIES, at any time: since then its operator alone says whether it is watched.
    was_declared = models.BooleanField(_("declared"), default=False, db_default=False, editable=False)
    interval_minutes = models.PositiveIntegerField(
        _("interval in minutes"), null=True, blank=True, help_text=_("Empty: ANALYSIS_SCHEDULE_MINUTES.")
    )
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Kept with every run that ends or is pruned: counting them would take longer the longer the history is.
    successes = models.PositiveIntegerField(_("analyses"), default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        ordering: ClassVar = ["name"]
        indexes: ClassVar = [
            models.Index(fields=["next_run_at"], condition=Q(is_watched=True), name="watched_by_next_run"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(interval_minutes__isnull=True) | Q(interval_minutes__gte=1), name="interval_of_a_minute"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        """Write what was changed here; how many successes there are by now is known to the database alone."""
        if not self._state.adding and not args and options.get("update_fields") is None:
            names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            options["update_fields"] = names - {"successes"}
        super().save(*args, **options)

    @classmethod
    def count_off(cls, company: int, successes: int) -> None:
        """Take successes that go from a company's number of them, in the transaction in which they go."""
        left = Greatest(F("successes") - successes, Value(0))  # a number that was wrong stops no deletion
        cls.objects.filter(pk=company).update(successes=left)


class Revision(models.Model):
    """What answered on both axes: a pair of models, or the lexicons."""

    category = models.CharField(_("category"), max_length=150)
    sentiment = models.CharField(_("sentiment"), max_length=150)

    class Meta:
        verbose_name = _("model revision")
        verbose_name_plural = _("model revisions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["category", "sentiment"], name="one_row_a_pair_of_revisions"),
        ]

    def __str__(self) -> str:
        return f"{self.category} · {self.sentiment}"


class Article(models.Model):
    """A news item, as it was first seen."""

    identity = models.UUIDField(_("identity"), unique=True)  # digest of the canonical URL
    url = models.TextField(_("publisher's link"))
    link = models.TextField(_("portal's link"))
    title = models.TextField(_("title"))
    summary = models.TextField(_("summary"), blank=True)
    publisher = models.CharField(_("publisher"), max_length=200, blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    # To the day: by a search, or by pruning in a company's newest analysis.
    last_seen_at = models.DateTimeField(_("last seen"), db_index=True)

    class Meta:
        verbose_name = _("article")
        verbose_name_plural = _("articles")
        indexes: ClassVar = [models.Index(fields=["-published_at", "-id"], name="article_by_published")]

    def __str__(self) -> str:
        return self.title


class JudgedArticle(models.Model):
    """What was said of an article as one search worded it: by a revision, and of the company; said once."""

    # Neither needs an index of its own: the constraint begins with the one, nobody asks by the other.
    article = models.ForeignKey(Article, on_delete=models.CASCADE, db_index=False, related_name="judgements")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, db_index=False, related_name="judgements")
    content = models.UUIDField(_("content"))  # digest of the wording, its relevance and keywords
    category = models.CharField(_("ESG"), max_length=30)
    sentiment = models.CharField(_("sentiment"), max_length=10)
    detail = models.JSONField(_("detail"), encoder=CompactEncoder)  # dashboard.records.Detail

    class Meta:
        verbose_name = _("judged article")
        verbose_name_plural = _("judged articles")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["article", "revision", "content"], name="one_judgement_a_content"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.sentiment}: {self.article_id}"


class Analysis(models.Model):
    """A run: asked for, waited for, made or failed; and what it found."""

    class Trigger(models.TextChoices):
        API = "api", _("API")
        SCHEDULE = "schedule", _("schedule")
        MANUAL = "manual", _("manual")
        ADMIN = "admin", _("admin")
        COMMAND = "command", _("command")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCESS = "success", _("success")
        ERROR = "error", _("error")

    OPEN: ClassVar = (Status.QUEUED, Status.RUNNING)

    task_id = models.UUIDField(_("task"), default=uuid.uuid4, unique=True, editable=False)
    company = models.ForeignKey(
        Company, on_delete=models.CASCADE, db_index=False, related_name="analyses", verbose_name=_("company")
    )
    trigger = models.CharField(_("trigger"), max_length=10, choices=Trigger)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.QUEUED)
    # Of search.services.Options, where they differ.
    options = models.JSONField(_("options"), default=dict, encoder=CompactEncoder)

    # Of who asked: in every line that is logged of the run, by whichever process.
    request_id = models.CharField(_("request"), max_length=64, blank=True, default="", db_default="")

    queued_at = models.DateTimeField(_("queued"))
    run_after = models.DateTimeField(_("not before"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    worker = models.CharField(_("worker"), max_length=100, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    done = models.PositiveIntegerField(_("texts judged"), default=0)
    total = models.PositiveIntegerField(_("texts to judge"), default=0)
    error_code = models.CharField(_("error code"), max_length=50, blank=True)
    error_message = models.TextField(_("error"), blank=True)

    provider = models.CharField(_("provider"), max_length=50, blank=True)
    revision = models.ForeignKey(
        Revision,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="analyses",
        verbose_name=_("model revision"),
    )
    # The search's counts and query, without its stories; then search.types.Summary.
    found = models.JSONField(_("search"), default=dict, encoder=CompactEncoder)
    summary = models.JSONField(_("summary"), default=dict, encoder=CompactEncoder)
    # [judged article's id, copies] in the order of the search
    stories = models.JSONField(_("stories"), default=list, encoder=CompactEncoder)

    class Meta:
        verbose_name = _("analysis")
        verbose_name_plural = _("analyses")
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # Latest and history of a company, by the id: a clock that was moved changes no order. Then a part of it
            # between two times. All that leafing compares is here, so that it reads no row.
            models.Index(fields=["company", "status", "-id"], name="analysis_history"),
            models.Index(fields=["company", "status", "finished_at", "id"], name="analysis_by_time"),
            models.Index(fields=["company", "-id"], name="analysis_by_company"),
            models.Index(fields=["run_after"], condition=Q(status="queued"), name="analysis_queue"),
            models.Index(fields=["worker"], condition=Q(status="running"), name="analysis_running"),
            models.Index(fields=["finished_at"], name="analysis_by_finished"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["company"], condition=Q(status__in=["queued", "running"]), name="one_open_analysis_a_company"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company_id} {self.trigger} {self.status}"

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Delete the run, and count it off. A query that deletes many has to count them off itself."""
        with transaction.atomic():
            locked = Analysis.objects.select_for_update().filter(pk=self.pk)
            if list(locked.values_list("status", flat=True)) == [self.Status.SUCCESS]:
                Company.count_off(self.company_id, 1)
            return super().delete(*args, **options)

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class Worker(models.Model):
    """A process that runs analyses, as long as it says so."""

    name = models.CharField(_("name"), max_length=100, unique=True)  # host:process id:life
    seen_at = models.DateTimeField(_("seen"))

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name
