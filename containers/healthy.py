"""Exit with 0 where the service in this container answers its health check, else with 1."""

import os
import sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8002")), timeout=5)
try:
    connection.request("GET", "/health")
    status = connection.getresponse().status
except OSError as exc:
    sys.exit(f"no answer: {exc}")
sys.exit(f"HTTP {status}" if status >= 400 else 0)
