"""Settings read from the environment: typed where they are read; a bad value names itself and stops the process.

Variables come from the process environment, else from a `.env` file. `NAME_FILE=/path` reads a secret from a
file. Every variable read is recorded in SETTINGS, from which `.env.example` and docs/configuration.md (also .ko.md)
are made.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

T = TypeVar("T")

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}

WITHOUT_HOST = ("sqlite://", "unix://")  # files of this machine
MAY_LACK_HOST = ("postgres", "postgresql")  # a socket of this machine, or a host among the options
QUOTING = "in user and password write / as %2F, @ as %40, : as %3A, # as %23, ? as %3F, % as %25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One variable, as an operator is told of it."""

    name: str
    section: str
    default: str
    help: str
    aliases: tuple[str, ...]
    is_secret: bool


SETTINGS: dict[str, Setting] = {}
_section = ""


def read_dotenv(*paths: Path) -> None:
    """Read each `.env` that exists; what is already in the environment, or in an earlier file, wins."""
    for path in paths:
        try:
            values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            raise ImproperlyConfigured(f"{path} cannot be read as UTF-8 text: {type(exc).__name__}.") from exc
        for name, value in values.items():
            os.environ.setdefault(name, value or "")


def section(title: str) -> None:
    """Head the settings that follow."""
    global _section
    _section = title


def env_str(name: str, default: str, help: str, *, aliases: Sequence[str] = (), secret: bool = False) -> str:
    return _read(name, default, help, lambda text: text, default, aliases=aliases, secret=secret)


def env_bool(name: str, default: bool, help: str) -> bool:
    def parse(text: str) -> bool:
        if text.lower() not in TRUE | FALSE:
            raise ValueError("use true or false")
        return text.lower() in TRUE

    return _read(name, default, help, parse, str(default).lower())


def env_int(
    name: str,
    default: int,
    help: str,
    *,
    at_least: int = 0,
    at_most: int = 2**31 - 1,
    aliases: Sequence[str] = (),
) -> int:
    def parse(text: str) -> int:
        number = int(text) if text.removeprefix("-").isdecimal() else None
        if number is None or not at_least <= number <= at_most:
            raise ValueError(f"use a whole number from {at_least} to {at_most}")
        return number

    return _read(name, default, help, parse, str(default), aliases=aliases)


def env_float(
    name: str, default: float, help: str, *, at_least: float, at_most: float, aliases: Sequence[str] = ()
) -> float:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not at_least <= number <= at_most:
            raise ValueError(f"use a number from {at_least:g} to {at_most:g}")
        return number

    return _read(name, default, help, parse, f"{default:g}", aliases=aliases)


def env_choice(name: str, default: str, help: str, *, choices: Sequence[str]) -> str:
    def parse(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"use one of {', '.join(choices)}")

    return _read(name, default, help, parse, default)


def env_list(name: str, default: Sequence[str], help: str) -> list[str]:
    """Read a comma-separated list; blanks around and between entries are dropped."""

    def parse(text: str) -> list[str]:
        return [entry.strip() for entry in text.split(",") if entry.strip()]

    return _read(name, list(default), help, parse, ",".join(default))


def env_url(name: str, default: str, help: str, *, schemes: Sequence[str], secret: bool = False) -> str:
    def parse(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"use an address that starts with {' or '.join(f'{s}://' for s in schemes)}")
        if not text.startswith(WITHOUT_HOST) and not _has_host(text, quoted=secret):
            raise ValueError(f"its host or port cannot be read; {QUOTING}")
        return text

    return _read(name, default, help, parse, default, secret=secret)


def _has_host(url: str, *, quoted: bool) -> bool:
    """Whether host and port of an address can be read; where `quoted`, an @ behind them is a password cut short."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname or parts.scheme in MAY_LACK_HOST) and parts.port != 0
    except ValueError:
        return False
    behind = url.partition("://")[2].removeprefix(parts.netloc)
    return is_whole and not (quoted and "@" in behind)


def env_path(name: str, default: Path, help: str, *, base: Path) -> Path:
    """Read a path; a relative one is under the project root."""
    shown = str(default.relative_to(base)) if default.is_relative_to(base) else str(default)
    return base / _read(name, default, help, Path, shown)


def _read(
    name: str,
    default: T,
    help: str,
    parse: Callable[[str], T],
    shown: str,
    *,
    aliases: Sequence[str] = (),
    secret: bool = False,
) -> T:
    SETTINGS[name] = Setting(
        name=name, section=_section, default=shown, help=help, aliases=tuple(aliases), is_secret=secret
    )
    for variable in (name, *aliases):
        text = _text(variable)
        if not text:  # `NAME=` in a .env means: not set
            continue
        try:
            return parse(text)
        except ValueError as exc:
            said = variable if secret or "@" in text else f"{variable}={text!r}"  # a password stands before an @
            raise ImproperlyConfigured(f"{said}: {exc}.") from None
    return default


def _text(variable: str) -> str:
    if not (path := os.environ.get(f"{variable}_FILE")):
        return os.environ.get(variable, "").strip()
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ImproperlyConfigured(f"{variable}_FILE={path!r} cannot be read: {type(exc).__name__}.") from exc
