"""`manage.py describe_settings`: every setting, as `.env.example` or as docs/configuration.md, or .ko.md.

What settings say of themselves is looked up in the catalogue here: they are read before translations are.
"""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import groupby

from django.core.management.base import BaseCommand
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from newsservice.env import SETTINGS, Setting
from system.checks import IGNORED

ENV_HEAD = """\
# News Service. Copy to .env and change what you need; every line shows the default.
# What is already in the environment wins. NAME_FILE=/path reads NAME from a file (for secrets).
"""
MARKDOWN_HEAD = _("""\
# Configuration

Made by `python manage.py describe_settings --markdown`, in Korean with `--language ko`; a test keeps it true.
[한국어](configuration.ko.md)

Settings are environment variables, or lines of a `.env` file in the project's folder or at `/app/.env`. What is
in the environment wins. `NAME_FILE=/path` reads the value of `NAME` from a file. A value that makes no sense
stops the process and is named; variables that are not listed here are tolerated.
""")
COLUMNS = (_("variable"), _("default"), _("what it does"))
IGNORED_HEAD = _("Ignored")
IGNORED_TEXT = _("Variables of News Service before 2.0 that `manage.py check` tells you are ignored.")
IGNORED_COLUMNS = (_("variable"), _("why"))
SECRET = _("Secret.")


class Command(BaseCommand):
    help = (
        "Print every setting with its default: as .env.example, or with --markdown as docs/configuration.md "
        "(with --language ko as docs/configuration.ko.md)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true")
        parser.add_argument("--language", choices=["en", "ko"], default="en", help="of the Markdown page")

    def handle(self, *, markdown: bool, language: str, **options: object) -> None:
        with override(language):
            self.stdout.write(as_markdown() if markdown else as_env(), ending="")


def as_env() -> str:
    """Return `.env.example`."""
    blocks = [ENV_HEAD]
    for section, settings in groupby(SETTINGS.values(), key=lambda setting: setting.section):
        blocks.append(f"\n# --- {section} ---\n")
        blocks += [_env_lines(setting) for setting in settings]
    return "".join(blocks)


def as_markdown() -> str:
    """Return docs/configuration.md, in the active language."""
    blocks = [str(MARKDOWN_HEAD)]
    for section, settings in groupby(SETTINGS.values(), key=lambda setting: setting.section):
        blocks.append(f"\n## {gettext(section)}\n\n{_table_head(*COLUMNS)}")
        blocks += [_markdown_row(setting) for setting in settings]
    blocks.append(f"\n## {IGNORED_HEAD}\n\n{IGNORED_TEXT}\n\n{_table_head(*IGNORED_COLUMNS)}")
    blocks += [f"| `{name}` | {gettext(reason)} |\n" for name, reason in IGNORED.items()]
    return "".join(blocks)


def _env_lines(setting: Setting) -> str:
    also = f" Also {', '.join(setting.aliases)}." if setting.aliases else ""
    return f"# {setting.help}{also}\n# {setting.name}={setting.default}\n"


def _table_head(*columns: object) -> str:
    return f"| {' | '.join(map(str, columns))} |\n{'|---' * len(columns)}|\n"


def _markdown_row(setting: Setting) -> str:
    names = ", ".join(f"`{name}`" for name in (setting.name, *setting.aliases))
    default = f"`{setting.default}`" if setting.default else ""
    text = gettext(setting.help).replace("|", "\\|") + (f" {SECRET}" if setting.is_secret else "")
    return f"| {names} | {default} | {text} |\n"
