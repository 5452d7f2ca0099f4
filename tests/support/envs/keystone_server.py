"""A Keystone, made in the directory that is named, and served on a free port until it is killed.

Runs in Keystone's environment, not in the project's. Each `keystone-manage` command runs in a fork
of this process: what takes them ten seconds each is to import Keystone, and that is done once.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import waitress
from keystone.cmd import cli
from keystone.server import wsgi

THREADS = 8
CONFIGURATION = """
[DEFAULT]
log_file = {home}/keystone.log
[database]
connection = sqlite:///{home}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {home}/fernet-keys
[fernet_receipts]
key_repository = {home}/fernet-keys
[credential]
key_repository = {home}/credential-keys
[identity]
password_hash_rounds = 4
"""


def manage(config: Path, *arguments: str) -> None:
    """Run one `keystone-manage` command."""
    child = os.fork()
    if child == 0:
        cli.main(["keystone-manage", "--config-file", str(config), *arguments])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, arguments


def main(home: Path, password: str) -> None:
    for name in ("fernet-keys", "credential-keys"):
        (home / name).mkdir(mode=0o700)
    config = home / "keystone.conf"
    config.write_text(CONFIGURATION.format(home=home))
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    manage(config, "db_sync")
    nobody_else = ("--keystone-user", "", "--keystone-group", "")  # The files stay as they are.
    manage(config, "fernet_setup", *nobody_else)
    manage(config, "credential_setup", *nobody_else)
    manage(config, "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id",
           "RegionOne", "--bootstrap-public-url", f"{url}/v3")  # fmt: skip
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(config)
    sys.argv = ["keystone"]
    application: Any = wsgi.initialize_public_application()
    print(json.dumps({"url": url}), flush=True)
    waitress.serve(application, sockets=[listener], threads=THREADS, _quiet=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
