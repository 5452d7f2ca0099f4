"""Each use case, failing and dying at each of its statements: all of it is kept, or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.control import holdings
from tests.control.faulty_store import at_statement, contents, contents_at, die, fail
from tests.control.nic_use_cases import NIC_USE_CASES
from tests.control.standing_still import count_and_roll_back, sampled
from tests.control.use_cases import USE_CASES, Names, boot, prepare
from tests.support.world import a_world
from trunkline.control.requests import NicRequest
from trunkline.domain.errors import StoreUnavailable
from trunkline.domain.ids import HostName
from trunkline.domain.port import VnicType

STATEMENTS_MAX = 400  # Far above what any of them takes: the loop must end by success.
HOSTS = [HostName("h1"), HostName("h2")]
KILLS = 6  # Of each use case on PostgreSQL, where each takes a third of a second.
KILLED_ON_POSTGRESQL = [
    "create a server",
    "delete a server",
    "take in that a server runs",
    "take in that a server was refused",
    "take in that devices are clean",
    "change a port of a server",
    *NIC_USE_CASES,
]


@pytest.mark.parametrize("name", USE_CASES)
def test_a_use_case_that_fails_at_any_statement_keeps_nothing_and_can_be_run_again(
    name: str, tmp_path: Path
) -> None:
    with a_world(tmp_path) as svc:
        names = prepare(svc)
        before = contents(tmp_path / "trunkline.db")
        for number in range(1, STATEMENTS_MAX):
            with at_statement(svc, number, fail), suppress(StoreUnavailable):
                USE_CASES[name](svc, names)
                break
            assert contents(tmp_path / "trunkline.db") == before, f"at statement {number}"
            holdings.check(svc, hosts=HOSTS)
        else:
            raise AssertionError("it never succeeded")
        assert number > 3, "nothing was made to fail"
        assert contents(tmp_path / "trunkline.db") != before
        holdings.check(svc, hosts=HOSTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", USE_CASES)
def test_a_process_that_dies_at_any_statement_has_done_all_or_nothing(
    name: str, tmp_path: Path
) -> None:
    with a_world(tmp_path) as svc:
        names = prepare(svc)
    before = contents(tmp_path / "trunkline.db")
    for number in range(1, STATEMENTS_MAX):
        died = run_in_a_child(tmp_path, name, names, number)
        after = contents(tmp_path / "trunkline.db")
        if not died:
            assert after != before
            break
        assert after == before, f"at statement {number}"
    else:
        raise AssertionError("it never succeeded")
    assert number > 3, "nothing was killed"
    with a_world(tmp_path, seed=2) as svc:
        holdings.check(svc, hosts=HOSTS)
        boot(svc, NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT))


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED_ON_POSTGRESQL)
def test_a_process_that_dies_leaves_postgresql_with_all_or_nothing(
    name: str, tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as svc:
        names = prepare(svc)
    with a_world(tmp_path, url=url, seed=1) as svc:  # As each of the children does.
        count = count_and_roll_back(svc, lambda: USE_CASES[name](svc, names))
    before = contents_at(url)
    for number in sampled(count, KILLS):
        assert run_in_a_child(tmp_path, name, names, number, url=url), "nothing was killed"
        assert contents_at(url) == before, f"at statement {number} of {count}"
    assert not run_in_a_child(tmp_path, name, names, count + 1, url=url)
    assert contents_at(url) != before
    with a_world(tmp_path, url=url, seed=2) as svc:
        holdings.check(svc, hosts=HOSTS)
        boot(svc, NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT))


def run_in_a_child(
    directory: Path, name: str, names: Names, number: int, *, url: str | None = None
) -> bool:
    """Run a use case in a process that kills itself at a statement; say whether it did."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with a_world(directory, url=url, seed=1) as svc, at_statement(svc, number, die):
                USE_CASES[name](svc, names)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)  # Nothing of the test runner's may run in the child.
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, "the use case failed in the child"
    return os.WIFSIGNALED(ended)
