"""Settings of the test run: the embedded defaults, whatever `.env` lies about, and no network."""

import os
import tempfile
from pathlib import Path

from newsservice import env

env.read_dotenv = lambda *paths: None
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="news-service-tests-"))
os.environ.setdefault("NEWS_PROVIDER", "archive")
os.environ.setdefault("OUTGOING_ALLOWED", "127.0.0.0/8")  # where the tests' own feeds are

from newsservice.settings import *  # noqa: E402, F403

MODELS_DIR = Path(os.environ["DATA_DIR"]) / "models"
