"""What backup.sh and restore.sh do with the database that the settings name.

database.py kind          sqlite or postgresql
database.py save          SQLite files (database, articles of one's own) as a tar on standard output
database.py load          ... and back from standard input, into a service that may be running
database.py run PROGRAM…  a program of PostgreSQL, connected as the settings say; no password in its arguments
"""

import os
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from psycopg.pq import Conninfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from newsservice import settings

DATABASE = settings.DATABASES["default"]
KIND = DATABASE["ENGINE"].rpartition(".")[2].removesuffix("3")


def files() -> dict[str, Path]:
    """Return the SQLite files by their name in a backup."""
    own = {"archive.sqlite3": settings.ARCHIVE_PATH}
    return {"news.sqlite3": Path(DATABASE["NAME"]), **own} if KIND == "sqlite" else own


def copy(source: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever writes to either meanwhile."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, timeout=20)) as new:
        old.backup(new)


def save() -> None:
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name, path in files().items():
            if path.exists():
                copy(path, Path(folder) / name)
                tar.add(Path(folder) / name, name)


def load() -> None:
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        tar.extractall(folder, filter="data")
        for name, path in files().items():
            if (Path(folder) / name).exists():
                copy(Path(folder) / name, path)


def place() -> dict[str, str]:
    """Return the variables of libpq for where DATABASE_URL leads, and how: sslmode and its like too."""
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    said = DATABASE["OPTIONS"] | {word: DATABASE[name] for word, name in named.items() if DATABASE[name]}
    known = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    return {variable: str(said[word]) for word, variable in known.items() if word in said}


def run(program: list[str]) -> None:
    os.execvpe(program[0], program, {**os.environ, **place()})  # noqa: S606


match sys.argv[1:]:
    case ["kind"]:
        sys.stdout.write(f"{KIND}\n")
    case ["save"]:
        save()
    case ["load"]:
        load()
    case ["run", *program]:
        run(program)
    case _:
        sys.exit(__doc__)
