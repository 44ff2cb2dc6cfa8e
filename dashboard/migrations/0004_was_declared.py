from typing import Any

from django.conf import settings
from django.db import migrations, models

from search.text import normalize_company


def mark_declared(apps: Any, schema_editor: Any) -> None:
    """Leave the companies that settings name as operators left them under earlier versions."""
    companies = apps.get_model("dashboard", "Company").objects.using(schema_editor.connection.alias)
    names = [normalize_company(name) for name in settings.MONITORED_COMPANIES]
    companies.filter(name__in=names).update(was_declared=True)


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0003_successes'),
    ]

    operations = [
        migrations.AddField(
            model_name='company',
            name='was_declared',
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name='declared'),
        ),
        migrations.RunPython(mark_declared, migrations.RunPython.noop, elidable=True),
    ]
