"""Settings of the test run: the embedded defaults, whatever `.env` lies about, and no network."""

import os
import tempfile
from pathlib import Path

from newsservice import env

env.read_dotenv = lambda *paths: None
if "DATA_DIR" not in os.environ:
    directory = tempfile.TemporaryDirectory(prefix="news-service-tests-")  # until this process ends
    os.environ["DATA_DIR"] = directory.name
# Threads of torch that wait yield their core: several processes with models share few.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("NEWS_PROVIDER", "archive")
os.environ.setdefault("OUTGOING_ALLOWED", "127.0.0.0/8")  # where the tests' own feeds are

from newsservice.settings import *  # noqa: E402, F403

MODELS_DIR = Path(os.environ["DATA_DIR"]) / "models"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as users have it: in memory threads would share one connection, or meet a lock that no file has.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(os.environ["DATA_DIR"]) / "test.sqlite3")}  # noqa: F405
