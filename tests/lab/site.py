"""A site for tests of the unmodified agent: the lab host is its host h1.

The service runs outside, on this machine's loopback, which the lab host has at 10.0.2.2::

    tests ── trunkline server ── 10.0.2.2 ── trunkline agent ─┬─ libvirtd (its group)
                                       (the user trunkline)   └─ trunkline host-helper (root)
                                                                   └─ pf1 (phy1), pf2 (phy2)

What is looked at again and again is asked in this process: a command takes a second of the cores
that the emulated machine needs.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.channel import Running
from lab.guest import cards, nested
from lab.machine import LabHost
from tests.lab import agent_inside, as_user
from tests.lab.as_user import AGENT
from tests.support.processes import ask, trunkline
from tests.support.waiting import wait_until
from trunkline.client.api import TrunklineApi
from trunkline.client.clouds import find_cloud
from trunkline.client.session import Session as ApiSession
from trunkline.wire.v1 import DeviceItem, EventItem, HostItem

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks/controller.toml"
AS_AGENT = as_user.__name__
CONFIG = f"{agent_inside.HOME}/compute.toml"
COMPUTE = """
host = "h1"
state_dir = "state"
controller = {{ url = "{url}", enrolment_key_file = "token" }}
libvirt = {{ storage_dir = "guests" }}
"""
TWO_PFS = """
device_spec = [
    { ifname = "pf1", physical_network = "phy1", vf_count = 7 },
    { ifname = "pf2", physical_network = "phy2", vf_count = 7 },
]
"""
LOOK_SECONDS = 0.25
EVENTS_MAX = 200
PATIENCE_SECONDS = 600.0  # An emulated machine takes a minute to start a guest.


class Site:
    """A service outside, and the lab host as its host h1."""

    def __init__(self, directory: Path, lab_host: LabHost, api: TrunklineApi) -> None:
        self.directory = directory
        self.lab_host = lab_host
        self.api = api  # As the admin.
        self.started: list[Running] = []

    def start_helper(self) -> Running:
        start = self.lab_host.channel.start_python
        return self._when_ready(start("trunkline", "host-helper", "--config", CONFIG))

    def start_agent(self, **env: str) -> Running:
        start = self.lab_host.channel.start_python
        return self._when_ready(start(AS_AGENT, "agent", "--config", CONFIG, env=env))

    def start_agent_alone(self) -> Running:
        """Start it in a Python that has imported nothing but what it needs, as a host does."""
        user = ("setpriv", f"--reuid={AGENT}", f"--regid={AGENT}", "--init-groups")
        command = [*user, "python3", "-m", "trunkline", "agent", "--config", CONFIG]
        return self._when_ready(self.lab_host.channel.start(command))

    def _when_ready(self, running: Running) -> Running:
        self.started.append(running)
        running.wait_for("ready\n", seconds=PATIENCE_SECONDS)
        return running

    def doctor(self) -> dict[str, tuple[str, str]]:
        """What `trunkline doctor` says to the agent's user: by check, the verdict and the words."""
        command = ("doctor", "--config", CONFIG, "--json")
        done = self.lab_host.channel.start_python(AS_AGENT, *command).wait()
        findings = json.loads(done.stdout)["findings"]
        return {
            each["check"]: (each["verdict"], each["found"] + (each["fix"] or ""))
            for each in findings
        }

    def reboot(self) -> None:
        """Press the lab host's reset button; then there is what a disk keeps, and libvirtd runs."""
        kept = self.lab_host.channel.call(agent_inside.read_disk)
        self.started.clear()
        self.lab_host.reboot()
        self.lab_host.channel.call(agent_inside.write_disk, kept)
        self.lab_host.channel.call(nested.start_libvirtd)

    def kill(self, running: Running) -> None:
        """End a command as a power switch would."""
        running.signal(signal.SIGKILL)
        self.wait_killed(running)

    def wait_killed(self, running: Running) -> None:
        """Wait until a command has ended by SIGKILL."""
        assert running.wait().status == -signal.SIGKILL
        self.started.remove(running)

    def host(self) -> HostItem:
        return self.api.host("h1")

    def devices(self, **filters: str) -> list[DeviceItem]:
        """Its devices; filters are those of the HTTP API, as ``kind="vf"``."""
        return list(self.api.devices(filters))

    def events(self) -> list[EventItem]:
        """What it was about lately, newest first."""
        return list(self.api.events({"host": "h1"}, limit=EVENTS_MAX))

    def has_told(self, action: str) -> bool:
        """Whether there is an event of this kind."""
        return action in {event.action for event in self.events()}

    def wait(self, holds: Callable[[], object], what: str) -> None:
        """Wait as long as the slowest thing here takes; if it does not come, tell all there is."""
        try:
            wait_until(holds, what, seconds=PATIENCE_SECONDS, look_seconds=LOOK_SECONDS)
        except AssertionError as late:
            for running in self.started:
                running.signal(signal.SIGTERM)
            said = [running.wait() for running in self.started]
            raise AssertionError(
                f"{late}\n{ask(self.directory, 'host', 'show', 'h1')}\n"
                + ask(self.directory, "events", "--host", "h1")
                + "\n".join(done.stdout + done.stderr for done in said)
            ) from late

    def wait_settled(self) -> None:
        def is_settled() -> bool:
            host = self.host()
            return host.up and host.applied_generation == host.generation

        self.wait(is_settled, "the agent has made all true")

    def wait_for_server(self, name: str, status: str) -> None:
        """Wait until a server has this status, in Nova's words; why it is in ERROR is told."""

        self.wait(lambda: server_is(self.api, name, status), f"{name} is {status}")

    def vf_with(self, mac: str, pf: str = "pf1") -> dict[str, Any]:
        found = self.lab_host.channel.call(cards.vf_settings, pf)
        index = next(at for at, vf in enumerate(found) if vf["mac"] == mac)
        return {"vf_index": index, **found[index]}


def server_is(api: TrunklineApi, name: str, status: str) -> bool:
    """Say whether a server has this status, in Nova's words; fail if it is in ERROR."""
    server = api.server_path(name)
    assert server.status != "ERROR", f"{name}: {server.fault}: {server.fault_details}"
    return server.status == status


def write_controller(directory: Path) -> None:
    """Write what a service of physical networks phy1 and phy2 starts from."""
    shutil.copyfile(EXAMPLE, directory / "controller.toml")
    (directory / "enrolment.key").touch(mode=0o600)
    (directory / "enrolment.key").write_text(secrets.token_urlsafe(32) + "\n")


@contextmanager
def lab_site(directory: Path, lab_host: LabHost, *, offer: str = TWO_PFS) -> Iterator[Site]:
    """Start the service and libvirt, and let the lab host enrol; helper and agent are not started.

    Args:
        directory: For the service's files.
        lab_host: Freshly reset.
        offer: What its compute.toml says of devices and bridges.
    """
    write_controller(directory)
    lab_host.channel.call(nested.start_libvirtd)
    with trunkline(directory, "server", "--config", "controller.toml", "--port", "0") as server:
        shutil.copyfile(directory / "state/controller/clouds.yaml", directory / "clouds.yaml")
        made = ask(directory, "host", "enrol-token", "create", "--host", "h1", "--json")
        url = server.url.replace("127.0.0.1", "10.0.2.2")
        lab_host.channel.call(
            agent_inside.write_files, COMPUTE.format(url=url) + offer, json.loads(made)["token"]
        )
        cloud = find_cloud({}, name="trunkline", cwd=directory)
        with ApiSession(cloud) as session:
            yield Site(directory, lab_host, TrunklineApi(session))
