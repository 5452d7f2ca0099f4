"""What it costs to find out whom a token speaks for, where users are a real Keystone's.

    python -m benchmarks keystone

Keystone comes from PyPI into an environment of its own, with its defaults but SQLite and Fernet
tokens, and eight threads of one process; it has no memcached. ``cached`` is a token that is known;
``miss`` one that Keystone is asked about, all included; ``miss_our_part`` the same against a server
that answers at once, from a dictionary; ``built_in`` a token of the built-in identity, looked up in
SQLite.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks._measuring import Series, machine
from tests.support.http_app import a_site
from tests.support.keystone import a_keystone, project_scope
from tests.support.stand_in_keystone import a_stand_in, asking, token_body
from trunkline.bootstrap.logging import configure_logging
from trunkline.bootstrap.real import RealClock
from trunkline.control.identity import caller_from_token

MISSES = 30
OUR_MISSES = 500
CACHED = 20_000
PASSWORD = "measured"
SECONDS_MAX = 60.0


def main() -> None:
    """Run and print."""
    configure_logging()  # To standard error.
    before = machine()
    with tempfile.TemporaryDirectory() as directory:
        result = {
            **of_keystone(Path(directory, "keystone")),
            **our_part(),
            **built_in(Path(directory, "site")),
        }
    json.dump(
        {"benchmark": "keystone", "machine": {"before": before, "after": machine()},
         "results": [result]},
        sys.stdout,
    )  # fmt: skip


def of_keystone(home: Path) -> dict[str, object]:
    """Time a real one, and the memory of what it said."""
    home.mkdir()
    missed, cached = Series(), Series()
    with a_keystone(home) as keystone:
        service, demo = keystone.a_project("service"), keystone.a_project("demo")
        keystone.a_user("trunkline", PASSWORD, service=service)
        keystone.a_user("alice", PASSWORD, member=demo)
        token = keystone.token("alice", PASSWORD, project_scope("demo"))
        with asking(
            keystone.url, RealClock(), password=PASSWORD, cache_seconds=3600,
            seconds_max=SECONDS_MAX,
        ) as asked:  # fmt: skip
            asked.ask(token)  # The service's own login, the first connection.
            worked = -_cpu_seconds(keystone.pid)
            for _ in range(MISSES):
                missed.time(asked.ask, token)
            worked += _cpu_seconds(keystone.pid)
            for _ in range(CACHED):
                cached.time(asked.find_caller, token)
    return {
        "cached_us": cached.summary(unit=1e6),
        "miss_ms": missed.summary(),
        "keystone_cpu_ms_per_miss": worked / MISSES * 1e3,
    }


def _cpu_seconds(pid: int) -> float:
    """What a process has used of processors until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def our_part() -> dict[str, object]:
    """Time what is not Keystone's work."""
    missed = Series()
    with a_stand_in() as stand_in, asking(stand_in.url, RealClock()) as asked:
        stand_in.tokens = {f"t{number}": token_body() for number in range(OUR_MISSES)}
        asked.log_in()
        for token in stand_in.tokens:
            missed.time(asked.ask, token)
    return {"miss_our_part_ms": missed.summary()}


def built_in(home: Path) -> dict[str, object]:
    """Time the built-in identity, which keeps nothing in memory."""
    home.mkdir()
    looked_up = Series()
    with a_site(home) as site:
        token = site.token("demo")
        for _ in range(OUR_MISSES):
            looked_up.time(caller_from_token, site.svc, token, request_id="")
    return {"built_in_us": looked_up.summary(unit=1e6)}


if __name__ == "__main__":
    main()
