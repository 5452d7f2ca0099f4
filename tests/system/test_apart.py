"""Controller and compute hosts apart: the two shipped files, each process of its own, over HTTP."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.clients import OpenStack
from tests.support.processes import Running, trunkline
from tests.system.test_up import Session, vf_on_the_card, wait_for_status

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks"


class Site:
    """A controller, and agents that are started when they are wanted."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._stack = stack

    def start_server(self) -> Running:
        server = self._stack.enter_context(
            trunkline(self.directory, "server", "--config", "controller.toml", "--port", "0")
        )
        # The example names a TCP port, which another test may have; all else is as it ships.
        compute = (EXAMPLE / "compute.toml").read_text()
        assert "http://127.0.0.1:8774" in compute
        self.directory.joinpath("compute.toml").write_text(
            compute.replace("http://127.0.0.1:8774", server.url)
        )
        return server

    def start_agent(self, host: str, **env: str) -> Running:
        return self._stack.enter_context(
            trunkline(
                self.directory, "agent", "--config", "compute.toml", "--simulate", "scenario",
                "--host", host, env=env,
            )
        )  # fmt: skip

    def kernel_log(self, host: str) -> list[dict[str, str]]:
        log = self.directory / f"state/agents/simulated/{host}/kernel.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    shutil.copyfile(EXAMPLE / "controller.toml", tmp_path / "controller.toml")
    key = tmp_path / "enrolment.key"
    key.write_text(secrets.token_urlsafe(32) + "\n")
    key.chmod(0o600)
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def session_on(site: Site, openstack: OpenStack) -> Session:
    """The clients find clouds.yaml where the controller keeps its data."""
    shutil.copyfile(site.directory / "state/controller/clouds.yaml",
                    site.directory / "clouds.yaml")  # fmt: skip
    session = Session(site.directory, openstack)
    session.prepare()
    return session


def cards(site: Site, mac: str) -> dict[str, object]:
    """The VF with this MAC, in the files of the simulated hosts that the agents made."""
    hosts = site.directory / "hosts"
    if not hosts.exists():
        hosts.symlink_to(site.directory / "state/agents/simulated")
    return vf_on_the_card(site.directory, mac)[1]


def test_the_shipped_files_boot_a_server_on_both_networks(site: Site, openstack: OpenStack) -> None:
    site.start_server()
    for host in ("h1", "h2"):
        site.start_agent(host)
    session = session_on(site, openstack)
    for name in ("blue", "red"):
        session.demo("port", "create", "--network", name, "--vnic-type", "direct", name)
    server = session.boot("web", "--port", "blue", "--port", "red")
    assert server["status"] == "ACTIVE"
    for name, vlan in (("blue", 120), ("red", 220)):
        mac = session.show("port", "show", name)["mac_address"]
        assert cards(site, mac)["vlan_id"] == vlan


def test_the_shipped_files_pass_all_nics_of_both_networks_through(
    site: Site, openstack: OpenStack
) -> None:
    site.start_server()
    site.start_agent("h1")
    session = session_on(site, openstack)
    server = session.boot("web", "--network", "blue", "--network", "red")
    macs = [port["MAC Address"] for port in session.show("port", "list", "--server", server["id"])]
    assert {cards(site, mac)["vlan_id"] for mac in macs} == {120, 220}


def test_an_agent_killed_between_two_steps_finishes_when_it_is_started_again(
    site: Site, openstack: OpenStack
) -> None:
    site.start_server()
    dying = site.start_agent("h1", TRUNKLINE_KILL_AT="after ip link set:1")
    session = session_on(site, openstack)
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "p")
    session.demo("server", "create", "--flavor", "small", "--image", "tiny", "--port", "p", "web")
    dying.wait_killed()
    assert session.show("server", "show", "web")["status"] == "BUILD"
    before = site.kernel_log("h1")
    site.start_agent("h1")
    wait_for_status(session, "web", "ACTIVE")
    mac = session.show("port", "show", "p")["mac_address"]
    assert cards(site, mac)["vlan_id"] == 120
    by_agent = [line["command"] for line in site.kernel_log("h1") if line["by"] == "agent"]
    assert len(set(by_agent)) == len(by_agent), "a write was made twice"
    assert len(site.kernel_log("h1")) >= len(before)


def test_a_controller_that_was_killed_loses_nothing(site: Site, openstack: OpenStack) -> None:
    first = site.start_server()
    port = first.url.rsplit(":", 1)[1]
    site.start_agent("h1")
    session = session_on(site, openstack)
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", "p")
    session.boot("web", "--port", "p")
    first.kill()
    with trunkline(site.directory, "server", "--config", "controller.toml", "--port", port):
        assert session.show("server", "show", "web")["status"] == "ACTIVE"
        session.demo("server", "stop", "web")  # The agent comes back by itself.
        wait_for_status(session, "web", "SHUTOFF")
