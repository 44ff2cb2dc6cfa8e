from typing import Any

from django.db import migrations, models
from django.db.models import Count, F, Q


def count_successes(apps: Any, schema_editor: Any) -> None:
    """Count what earlier versions kept, once."""
    companies = apps.get_model("dashboard", "Company").objects.using(schema_editor.connection.alias)
    counted = companies.annotate(kept=Count("analyses", filter=Q(analyses__status="success"))).exclude(kept=0)
    for company, kept in counted.values_list("pk", "kept"):
        companies.filter(pk=company).update(successes=F("successes") + kept)


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0002_request_id'),
    ]

    operations = [
        migrations.AddField(
            model_name='company',
            name='successes',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name='analyses'),
        ),
        migrations.RunPython(count_successes, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex(
            model_name='analysis',
            name='analysis_history',
        ),
        migrations.AddIndex(
            model_name='analysis',
            index=models.Index(fields=['company', 'status', '-id'], name='analysis_history'),
        ),
        migrations.AddIndex(
            model_name='analysis',
            index=models.Index(fields=['company', 'status', 'finished_at', 'id'], name='analysis_by_time'),
        ),
    ]
