"""The lab host for tests: booted once, and each test starts from cards that nobody has touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import machine
from lab.machine import LabHost
from lab.needs import missing

HERE = Path(__file__).parent
FIXTURES = {"lab_host", "lab_host_with_vfs", "running_lab_host"}
# For what hangs. The first of them boots the lab host, and the longest takes 300 s on two idle
# cores: others have their share of them, here and in CI.
TEST_SECONDS_MAX = 2400
FAILED_STARTS = pytest.StashKey[list[str]]()
WORKERS_WORD = "failed starts of lab hosts"
# What takes longest first: two lab hosts share the files, and the last are to end together.
ORDER = (
    *("test_servers", "test_pfs", "test_killed", "test_pools", "test_linux_kernel", "test_agent"),
    *(
        "test_kernel_facts",
        "test_recordings",
        "test_bridges",
        "test_nested_guest",
        "test_figures",
        "test_wire",
    ),
    *("test_macvtap_guest", "test_channel", "test_boot", "test_build"),
)


def _place(item: pytest.Item) -> int:
    name = item.path.stem
    return ORDER.index(name) if item.path.parent == HERE and name in ORDER else -1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("lab")
            item.add_marker(pytest.mark.timeout(TEST_SECONDS_MAX))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # A worker of pytest-xdist tells the whole.
        session.config.workeroutput[WORKERS_WORD] = session.config.stash.get(FAILED_STARTS, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    told = getattr(node, "workeroutput", {}).get(WORKERS_WORD, [])
    node.config.stash.setdefault(FAILED_STARTS, []).extend(told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for told in config.stash.get(FAILED_STARTS, []):
        terminalreporter.write_sep("!", "a boot of the lab host", red=True)
        terminalreporter.write_line(told)


@pytest.fixture(scope="session")
def running_lab_host(pytestconfig: pytest.Config) -> Iterator[LabHost]:
    """A lab host in the state of the last test: four cards, on phy1, phy2, phy1 and phy2."""
    if lacking := missing():
        pytest.fail(lacking)
    failed_starts = pytestconfig.stash.setdefault(FAILED_STARTS, [])
    with machine.lab_host(machine.FOUR_CARDS, tell=failed_starts.append) as host:
        yield host


@pytest.fixture
def lab_host(running_lab_host: LabHost) -> Iterator[LabHost]:
    """The lab host with no VFs, as after the boot."""
    running_lab_host.reset(vf_count=0)
    yield running_lab_host
    running_lab_host.channel.end_all()


@pytest.fixture
def lab_host_with_vfs(running_lab_host: LabHost) -> Iterator[LabHost]:
    """The lab host with 7 VFs on the first two PFs, untouched and without a driver."""
    running_lab_host.reset(vf_count=machine.VFS_PER_CARD)
    yield running_lab_host
    running_lab_host.channel.end_all()
