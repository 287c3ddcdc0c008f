"""The image's health check: whether the process in this container answers `/livez`, `serve` or `worker`.

`python -m app.server.health` ends with status 0 if it does. It imports nothing that takes a while.
"""

import http.client
import os
import sys
from contextlib import suppress

SERVE_PORT = "8000"
ANSWER_SECONDS = 1.0
OK = 200


def is_alive(ports: list[str]) -> bool:
    """Tell whether something answers `/livez` on one of these ports of this machine."""
    for port in ports:
        with suppress(OSError, ValueError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=ANSWER_SECONDS)
            connection.request("GET", "/livez")
            if connection.getresponse().status == OK:
                return True
    return False


def main() -> None:
    """End with status 0 if the process answers, else with 1."""
    named = [SERVE_PORT, os.environ.get("WORKER_PORT", "")]
    sys.exit(0 if is_alive([port for port in named if port]) else 1)


if __name__ == "__main__":
    main()
