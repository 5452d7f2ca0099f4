"""A Placement in the directory that is named, served on a free port until it is killed.

Runs in Placement's environment, on SQLite, without Keystone: a token is the name of a user.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
from pathlib import Path

import waitress

THREADS = 8
CONFIGURATION = """
[DEFAULT]
log_file = {home}/placement.log
[api]
auth_strategy = noauth2
[placement_database]
connection = sqlite:///{home}/placement.db
sync_on_startup = true
"""


def main(home: Path) -> None:
    (home / "placement.conf").write_text(CONFIGURATION.format(home=home))
    with sqlite3.connect(home / "placement.db") as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # Faster, and as Trunkline has it.
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(home)
    from placement.wsgi.api import application  # Reads the configuration.

    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    waitress.serve(application, sockets=[listener], threads=THREADS, _quiet=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
