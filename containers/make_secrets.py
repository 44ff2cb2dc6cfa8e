"""Make the secrets of the compose set-up: `make_secrets.py FOLDER`. Passwords that are there already are kept.

FOLDER holds a folder for each who may read them: `redis` and `postgres` their own password, `app` the files that
settings are read from.
"""

import secrets
import sys
from pathlib import Path


def write(path: Path, text: str) -> str:
    """Write a file whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="ascii")
    new.chmod(0o444)  # Redis and PostgreSQL read theirs as users of their own; on the host the volume is root's
    new.replace(path)
    return text


def keep(path: Path, text: str) -> str:
    """Return what the file holds, else write it."""
    return path.read_text(encoding="ascii") if path.exists() else write(path, text)


folder = Path(sys.argv[1])
keep(folder / "app/secret_key", secrets.token_urlsafe(50))
redis = keep(folder / "redis/password", secrets.token_hex(32))
postgres = keep(folder / "postgres/password", secrets.token_hex(32))
write(folder / "app/redis_url", f"redis://:{redis}@redis:6379/1")
write(folder / "app/database_url", f"postgres://news:{postgres}@postgres:5432/news")
