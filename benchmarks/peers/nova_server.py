"""Nova's functional test stack, its API served on a free port until it is killed.

Runs in Nova's environment: API, conductor, scheduler, one compute service with the fake driver that
has SR-IOV cards, and Placement, in one process, as Nova's own tests start them; SQLite files that
are not synced; Neutron, Glance and Cinder are fixtures in memory. What only tests want is off:
debug logging, checking every answer, versioned notifications.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "true"  # Threads, as Nova has them by default.
HOME = Path(sys.argv.pop(1))
os.environ["TMPDIR"] = tempfile.tempdir = str(HOME)

import nova.tests.functional  # noqa: E402, F401  # Before anything else of Nova.
import waitress  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.tests.functional import integrated_helpers  # noqa: E402
from nova.virt import fake  # noqa: E402

THREADS = 8
FakeDriver: Any = fake.FakeDriverWithPciResources


class Stack(integrated_helpers._IntegratedTestBase):  # type: ignore[misc]
    """A test that serves."""

    ADMIN_API = True
    CAST_AS_CALL = False  # The API answers before the server is built, as in earnest.

    def setUp(self) -> None:
        paste = Path(sys.prefix, "etc/nova/api-paste.ini")
        CONF.set_override("api_paste_config", str(paste), group="wsgi")
        CONF.set_override("compute_driver", "fake.FakeDriverWithPciResources")
        CONF.set_override("notification_format", "unversioned", group="notifications")
        filters = [*CONF.filter_scheduler.enabled_filters, "PciPassthroughFilter"]
        CONF.set_override("enabled_filters", filters, group="filter_scheduler")
        self._cards = FakeDriver.FakeDriverWithPciResourcesConfigFixture()
        self._cards.setUp()
        super().setUp()
        self.flags(debug=False)
        self.flags(response_validation="ignore", group="api")
        neutron = self.neutron
        neutron._ports[neutron.sriov_port["id"]] = dict(neutron.sriov_port)
        neutron._networks[neutron.network_2["id"]] = neutron.network_2
        neutron._subnets[neutron.subnet_2["id"]] = neutron.subnet_2

    def runTest(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sys.stdout.write(json.dumps({"url": url, "port": self.neutron.sriov_port["id"]}) + "\n")
        sys.stdout.flush()
        waitress.serve(self.api_fixture.app(), sockets=[listener], threads=THREADS, _quiet=True)


if __name__ == "__main__":
    result = unittest.TestResult()
    Stack().run(result)
    for _, text in result.errors + result.failures:
        sys.stderr.write(text)
