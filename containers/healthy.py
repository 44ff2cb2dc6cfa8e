"""Exit with 0 where the service in this container answers its health check, else with 1."""

import os
import sys
from http.client import HTTPConnection

# A name the service answers to: of one that is asked for others it would be no answer.
names = [name.strip().removeprefix(".") for name in os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",")]
host = next((name for name in names if name not in {"", "*"}), "localhost")
connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8002")), timeout=5)
try:
    connection.request("GET", "/health", headers={"Host": host})
    status = connection.getresponse().status
except OSError as exc:
    sys.exit(f"no answer: {exc}")
sys.exit(f"HTTP {status}" if status >= 400 else 0)
