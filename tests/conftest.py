"""What every test has: fixtures for the outside world, Hypothesis profiles, markers set by need."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.support.memory import directory_in_memory

# Where pytest makes its temporary directories, unless --basetemp says another place.
if MEMORY := directory_in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A shell starts what it puts into the background with SIGINT ignored. All that the tests start
# would inherit that, and no Ctrl-C would reach it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.postgres",
    "tests.support.clients",
    "tests.support.keystone",
    "tests.support.libvirt_schemas",
    "tests.support.libvirtd",
    "tests.support.durability.fixtures",
]

# Time limits per example measure a busy machine, not the code.
settings.register_profile("fast", max_examples=25, deadline=None)
settings.register_profile("default", max_examples=100, deadline=None, print_blob=True)
settings.register_profile(
    "ci", settings.get_profile("default"), derandomize=True, database=None
)  # The same examples each time: a red run is about the change, and can be had again.
settings.register_profile(
    "long",
    settings.get_profile("default"),
    max_examples=5000,
    suppress_health_check=[HealthCheck.too_slow],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
settings.load_profile(PROFILE)

# What these fixtures stand on does not come from PyPI into the project's environment.
SYSTEM_FIXTURES = frozenset({
    "postgres_cluster",
    "libvirt_domain_schema",
    "libvirt_network_schema",
    "private_libvirtd",
    "shim_library",  # behind `run_under_shim`
})  # fmt: skip
SLOW_FIXTURES = frozenset({"keystone", "openstack_bin", "response_schemas"})


def pytest_collection_finish() -> None:
    """Have what is there by now, which stays, not looked through for garbage again and again.

    Of the time of tests within the process that was a seventh: 400,000 objects each time.
    """
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    return f"hypothesis profile: {PROFILE} (HYPOTHESIS_PROFILE=fast|default|ci|long)"


@pytest.hookimpl(tryfirst=True)  # Before `-m` chooses by markers.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        # A parameter that says PostgreSQL gets it by `request.getfixturevalue`, unseen here.
        if names & SYSTEM_FIXTURES or "postgres" in item.name.lower():
            item.add_marker("system")
        if names & SLOW_FIXTURES:
            item.add_marker("slow")
