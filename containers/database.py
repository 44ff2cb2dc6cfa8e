"""What backup.sh and restore.sh do with the database that the settings name.

database.py kind          sqlite or postgresql
database.py save          SQLite files (database, articles of one's own) as a tar on standard output
database.py check         whether standard input is such a tar, and what it holds is whole
database.py load          ... and back from standard input, into a service that may be running
database.py run PROGRAM…  a program of PostgreSQL, connected as the settings say; no password in its arguments
"""

import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
    """Copy a database as of one moment, whoever writes to either meanwhile; in one transaction of the target's."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, timeout=20)) as new:
        old.backup(new)


def save() -> None:
    if KIND == "sqlite" and not Path(DATABASE["NAME"]).exists():
        sys.exit(f"There is no database to save: {DATABASE['NAME']}")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name, path in files().items():
            if path.exists():
                copy(path, Path(folder) / name)
                tar.add(Path(folder) / name, name)


@contextmanager
def saved() -> Iterator[dict[str, Path]]:
    """Unpack standard input; yield the files it holds, by their name."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        tar.extractall(folder, filter="data")
        yield {name: Path(folder) / name for name in files() if (Path(folder) / name).exists()}


def check() -> None:
    with saved() as found:
        if KIND == "sqlite" and "news.sqlite3" not in found:
            sys.exit("There is no database in this backup.")
        for name, path in found.items():
            with closing(sqlite3.connect(path)) as connection:
                try:
                    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
                except sqlite3.DatabaseError as exc:
                    said = str(exc)
            if said != "ok":
                sys.exit(f"{name} in this backup is broken: {said}")


def load() -> None:
    with saved() as found:
        for name, path in found.items():
            copy(path, files()[name])


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
    case ["check"]:
        check()
    case ["load"]:
        load()
    case ["run", *program]:
        run(program)
    case _:
        sys.exit(__doc__)
