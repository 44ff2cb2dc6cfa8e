"""`manage.py describe_settings`: every setting, as `.env.example` or as docs/configuration.md."""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import groupby

from django.core.management.base import BaseCommand

from newsservice.env import SETTINGS, Setting
from system.checks import IGNORED

ENV_HEAD = """\
# News Service. Copy to .env and change what you need; every line shows the default.
# What is already in the environment wins. NAME_FILE=/path reads NAME from a file (for secrets).
"""
MARKDOWN_HEAD = """\
# Configuration

Made by `python manage.py describe_settings --markdown`; a test keeps it true.

Settings are environment variables, or lines of a `.env` file in the project's folder or at `/app/.env`. What is
in the environment wins. `NAME_FILE=/path` reads the value of `NAME` from a file. A value that makes no sense
stops the process and is named; variables that are not listed here are tolerated.
"""


class Command(BaseCommand):
    help = "Print every setting with its default: as .env.example, or with --markdown as docs/configuration.md."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true")

    def handle(self, *, markdown: bool, **options: object) -> None:
        self.stdout.write(as_markdown() if markdown else as_env(), ending="")


def as_env() -> str:
    """Return `.env.example`."""
    blocks = [ENV_HEAD]
    for section, settings in groupby(SETTINGS.values(), key=lambda setting: setting.section):
        blocks.append(f"\n# --- {section} ---\n")
        blocks += [_env_lines(setting) for setting in settings]
    return "".join(blocks)


def as_markdown() -> str:
    """Return docs/configuration.md."""
    blocks = [MARKDOWN_HEAD]
    for section, settings in groupby(SETTINGS.values(), key=lambda setting: setting.section):
        blocks.append(f"\n## {section}\n\n| variable | default | what it does |\n|---|---|---|\n")
        blocks += [_markdown_row(setting) for setting in settings]
    blocks.append(
        "\n## Ignored\n\nVariables of News Service before 2.0 that `manage.py check` tells you are ignored.\n\n"
    )
    blocks.append("| variable | why |\n|---|---|\n")
    blocks += [f"| `{name}` | {reason} |\n" for name, reason in IGNORED.items()]
    return "".join(blocks)


def _env_lines(setting: Setting) -> str:
    also = f" Also {', '.join(setting.aliases)}." if setting.aliases else ""
    return f"# {setting.help}{also}\n# {setting.name}={setting.default}\n"


def _markdown_row(setting: Setting) -> str:
    names = ", ".join(f"`{name}`" for name in (setting.name, *setting.aliases))
    default = f"`{setting.default}`" if setting.default else ""
    text = setting.help.replace("|", "\\|") + (" Secret." if setting.is_secret else "")
    return f"| {names} | {default} | {text} |\n"
