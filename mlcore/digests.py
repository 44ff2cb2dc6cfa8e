"""SHA-256 of large files, counted once for all processes of a host and kept in a file under DATA_DIR.

What is kept is only ever a shortcut: an entry stands for a path, a size and a time of change, and one that cannot be
read, or is not in order, is counted anew. A file that changed just now is not kept, for it may change again within one
tick of the clock.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.conf import settings

logger = logging.getLogger(__name__)

FILE = "model-digests.json"  # under DATA_DIR
LARGE = 1_000_000  # bytes; what is smaller is read in no time
SETTLED_SECONDS = 3.0
MOST = 200  # files that are remembered, the latest
_DIGEST = re.compile(r"[0-9a-f]{64}")

Entries = dict[str, str]  # "size:modified_at_ns:path" -> digest


def digest_of(path: Path, *, size: int, modified_at_ns: int) -> str:
    """Return the digest of a file as it was when it was looked at. Raises OSError."""
    if size < LARGE:
        return _count(path)
    key = f"{size}:{modified_at_ns}:{path.absolute()}"
    if known := _read().get(key):
        return known
    digest = _count(path)
    after = path.stat()
    is_same = (after.st_size, after.st_mtime_ns) == (size, modified_at_ns)
    if is_same and time.time() - modified_at_ns / 1e9 > SETTLED_SECONDS:
        _keep(key, digest)
    return digest


def _count(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _place() -> Path:
    return Path(settings.DATA_DIR) / FILE


def _read() -> Entries:
    try:
        kept = json.loads(_place().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {key: value for key, value in kept.items() if isinstance(value, str) and _DIGEST.fullmatch(value)}


def _keep(key: str, digest: str) -> None:
    """Write an entry beside the others. Of two processes at once one may lose its own, and counts again."""
    entries = _read()
    entries.pop(key, None)
    latest = dict([*entries.items(), (key, digest)][-MOST:])
    aside = ""
    try:
        with NamedTemporaryFile("w", dir=settings.DATA_DIR, prefix=f".{FILE}.", delete=False) as file:
            aside = file.name
            json.dump(latest, file, indent=0)
        os.replace(aside, _place())  # noqa: PTH105
    except OSError as exc:
        logger.debug("digests are not kept: %s", exc)
        if aside:
            Path(aside).unlink(missing_ok=True)
