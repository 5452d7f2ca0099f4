"""NICs that are attached to servers and detached from them, through HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, as_desired
from tests.support.http_app import Reply
from tests.support.world import AgentByHand
from trunkline.control.desired import desired_config
from trunkline.control.ports import create_port
from trunkline.control.quotas import set_quotas
from trunkline.control.requests import PortCreate
from trunkline.domain.ids import PortId
from trunkline.domain.port import VnicType
from trunkline.domain.quota import Resource
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.report import GuestEvent, GuestFact, NicFact
from trunkline.store.transaction import Transaction

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


class Web:
    """A server with one VF on blue, that runs."""

    def __init__(self, scene: ComputeSite) -> None:
        self.scene = scene
        self.first = scene.a_port(scene.blue)
        self.id = scene.a_server("web", self.first)["id"]
        scene.settle()
        assert scene.status_of(self.id) == "ACTIVE"

    def attach(self, *, user: str = "demo", version: str = "2.96", **asked: Any) -> Reply:
        return self.scene.call(
            "POST", f"/servers/{self.id}/os-interface", user=user, version=version,
            body={"interfaceAttachment": asked},
        )  # fmt: skip

    def attached(self, **asked: Any) -> dict[str, Any]:
        reply = self.attach(**asked)
        assert reply.status == 200, reply
        body: dict[str, Any] = reply.json()["interfaceAttachment"]
        return body

    def detach(self, port_id: str, *, user: str = "demo") -> Reply:
        path = f"/servers/{self.id}/os-interface/{port_id}"
        return self.scene.call("DELETE", path, user=user)

    def act(self, action: str) -> Reply:
        return self.scene.call("POST", f"/servers/{self.id}/action", body={action: None})

    def stop(self) -> None:
        assert self.act("os-stop").status == 202
        self.scene.settle()
        assert self.scene.status_of(self.id) == "SHUTOFF"

    def states(self) -> dict[str, str]:
        """Its ports, each with its status."""
        reply = self.scene.call("GET", f"/servers/{self.id}/os-interface")
        return {
            each["port_id"]: each["port_state"] for each in reply.json()["interfaceAttachments"]
        }

    @property
    def agent(self) -> AgentByHand:
        """Of its host."""
        for agent in self.scene.agents:
            told = desired_config(self.scene.site.svc, agent.name)
            if any(server.id == self.id for server in told.servers):
                return agent
        raise AssertionError("it is on no host")

    def config(self) -> ServerConfig:
        """What its host is told of it."""
        told = desired_config(self.scene.site.svc, self.agent.name)
        return next(server for server in told.servers if server.id == self.id)

    def crash(self, *, generation: int) -> None:
        """Have its guest crash, and be started again by its host."""
        config = self.config()
        crash = GuestFact(
            server_id=config.id, boot_number=config.boot_number, event=GuestEvent.CRASHED,
            found="its QEMU has ended", done="it is started again",
        )  # fmt: skip
        self.agent.report(generation=generation, guests=[crash])

    def refuse_nic(self, port_id: str, reason: str) -> None:
        """Have its host tell that its guest was not given a NIC, or does not let go of it."""
        config, agent = self.config(), self.agent
        fact = NicFact(
            server_id=config.id, boot_number=config.boot_number, port_id=PortId(port_id),
            reason=reason,
        )  # fmt: skip
        generation = desired_config(self.scene.site.svc, agent.name).generation
        agent.report(nics=[fact], generation=generation)


@pytest.fixture
def web(scene: ComputeSite) -> Web:
    return Web(scene)


def message(reply: Reply) -> str:
    (fault,) = reply.json().values()
    said: str = fault["message"]
    return said


def port_of(scene: ComputeSite, port_id: str, *, user: str = "admin") -> dict[str, Any] | None:
    reply = scene.site.http.request(
        "GET", f"/network/v2.0/ports/{port_id}", token=scene.token(user)
    )
    found: dict[str, Any] | None = reply.json()["port"] if reply.status == 200 else None
    return found


def owners(scene: ComputeSite) -> list[str]:
    """The servers that hold devices, once for each."""

    def find(tx: Transaction) -> list[str]:
        hosts = [tx.hosts.get_by_name(agent.name).id for agent in scene.agents]
        return sorted(holder.server_id or "" for holder in tx.allocations.holders_of_hosts(hosts))

    return scene.site.svc.store.read(find)


@pytest.mark.parametrize("vnic_type", [VnicType.DIRECT, VnicType.NORMAL, VnicType.MACVTAP])
def test_a_running_server_is_given_a_port_and_loses_it_again(
    scene: ComputeSite, web: Web, vnic_type: VnicType
) -> None:
    port_id = scene.a_port(scene.red, vnic_type=vnic_type)
    body = web.attached(port_id=port_id, tag="back")
    assert (body["port_id"], body["net_id"], body["tag"]) == (port_id, scene.red.id, "back")
    assert web.states() == {web.first: "ACTIVE", port_id: "BUILD"}
    assert scene.status_of(web.id) == "ACTIVE"
    assert [nic.tag for nic in web.config().nics] == [None, "back"]
    scene.settle()
    assert web.states() == {web.first: "ACTIVE", port_id: "ACTIVE"}

    assert web.detach(port_id).status == 202
    assert web.states()[port_id] == "ACTIVE", "its guest has it still"
    assert [nic.port_id for nic in web.config().leaving] == [port_id]
    scene.settle()
    assert web.states() == {web.first: "ACTIVE"}
    port = port_of(scene, port_id)
    assert port is not None
    assert (port["device_id"], port["status"], port["binding:profile"]) == ("", "DOWN", {})
    assert port["binding:host_id"] == ""
    scene.settle()
    assert owners(scene) == [web.id]


def test_a_port_made_for_a_network_goes_with_its_nic(scene: ComputeSite, web: Web) -> None:
    body = web.attached(net_id=scene.blue.id, fixed_ips=[{"ip_address": "10.0.0.77"}])
    assert "10.0.0.77" in [each["ip_address"] for each in body["fixed_ips"]]
    scene.settle()
    assert web.detach(body["port_id"]).status == 202
    assert port_of(scene, body["port_id"]) is not None
    scene.settle()
    assert port_of(scene, body["port_id"]) is None


def test_a_stopped_server_has_its_new_nic_at_its_next_start(scene: ComputeSite, web: Web) -> None:
    web.stop()
    port_id = scene.a_port(scene.red)
    web.attached(port_id=port_id)
    scene.settle()
    assert web.act("os-start").status == 202
    scene.settle()
    assert web.states() == {web.first: "ACTIVE", port_id: "ACTIVE"}
    web.stop()
    assert web.detach(port_id).status == 202
    assert list(web.states()) == [web.first], "no guest has it"
    assert owners(scene) == [web.id, web.id], "its device is held until its host has cleaned it"
    scene.settle()
    assert owners(scene) == [web.id]


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"port_id": "x"}, 400, "port_id"),
        ({"net_id": "x"}, 400, "net_id"),
        ({"port_id": 5}, 400, "port_id"),
        ({"port_id": NOWHERE, "net_id": NOWHERE}, 400, "not both"),
        ({"port_id": NOWHERE, "fixed_ips": [{"ip_address": "10.0.0.9"}]}, 400, "fixed_ips"),
        ({"fixed_ips": [{"ip_address": "10.0.0.9"}]}, 400, "fixed_ips"),
        ({"net_id": NOWHERE, "fixed_ips": []}, 400, "fixed_ips"),
        ({"net_id": NOWHERE, "fixed_ips": [{"subnet_id": NOWHERE}]}, 400, "subnet_id"),
        ({"net_id": NOWHERE, "tag": ""}, 400, "tag"),
        ({"net_id": NOWHERE, "tag": "a/b"}, 400, "tag"),
        ({"colour": "blue"}, 400, "colour"),
        ({"port_id": NOWHERE}, 404, NOWHERE),
        ({"net_id": NOWHERE}, 404, NOWHERE),
        ({}, 409, "several networks"),
    ],
)
def test_what_can_not_be_attached_is_refused_by_name(
    web: Web, asked: dict[str, Any], status: int, told: str
) -> None:
    reply = web.attach(**asked)
    assert (reply.status, told in message(reply)) == (status, True), reply
    assert list(web.states()) == [web.first]


def test_a_network_that_is_left_to_the_service_is_one_of_the_servers_project(web: Web) -> None:
    reply = web.attach(user="admin")
    assert (reply.status, "several networks" in message(reply)) == (409, True), reply


def test_a_tag_is_unknown_before_it_came(web: Web) -> None:
    reply = web.attach(net_id=NOWHERE, tag="x", version="2.48")
    assert (reply.status, "tag" in message(reply)) == (400, True)
    body = web.attached(net_id=web.scene.red.id, version="2.48")
    assert "tag" not in body


def test_a_port_that_a_server_has_and_an_address_that_is_taken_are_conflicts(
    scene: ComputeSite, web: Web
) -> None:
    assert web.attach(port_id=web.first).status == 409
    web.attached(net_id=scene.blue.id, fixed_ips=[{"ip_address": "10.0.0.77"}])
    again = web.attach(net_id=scene.blue.id, fixed_ips=[{"ip_address": "10.0.0.77"}])
    assert again.status == 409
    outside = web.attach(net_id=scene.blue.id, fixed_ips=[{"ip_address": "192.0.2.1"}])
    assert outside.status == 400


def test_a_host_that_has_none_left_gives_none_and_nothing_stays_behind(
    scene: ComputeSite, web: Web
) -> None:
    given = [scene.a_port(scene.blue) for _ in range(3)]
    for port_id in given:
        web.attached(port_id=port_id)
    one_more = scene.a_port(scene.blue)
    ports = scene.site.http.request("GET", "/network/v2.0/ports", token=scene.token("admin")).json()
    reply = web.attach(port_id=one_more)
    assert (reply.status, "no free device" in message(reply)) == (400, True), reply
    assert "h1" not in message(reply)
    assert "h2" not in message(reply)
    again = scene.site.http.request("GET", "/network/v2.0/ports", token=scene.token("admin")).json()
    assert len(again["ports"]) == len(ports["ports"])
    port = port_of(scene, one_more)
    assert port is not None
    assert (port["device_id"], port["binding:profile"]) == ("", {})
    assert owners(scene) == [web.id] * 4
    scene.settle()
    assert web.detach(given[0]).status == 202
    assert web.attach(port_id=one_more).status == 400, "it is held until its guest has let go of it"
    scene.settle()
    assert web.attach(port_id=one_more).status == 400, "and until its host has cleaned it"
    scene.settle()
    web.attached(port_id=one_more)


def test_only_a_server_that_runs_or_is_stopped_is_given_nics(scene: ComputeSite, web: Web) -> None:
    port_id = scene.a_port(scene.red)
    assert web.act("os-stop").status == 202
    for reply in (web.attach(port_id=port_id), web.detach(web.first)):
        assert reply.status == 409
        assert "while it is in vm_state" in message(reply)
    building = scene.a_server("new", scene.a_port(scene.red))["id"]
    reply = scene.call(
        "POST", f"/servers/{building}/os-interface",
        body={"interfaceAttachment": {"port_id": port_id}},
    )  # fmt: skip
    assert reply.status == 409
    port = port_of(scene, port_id)
    assert port is not None
    assert port["device_id"] == ""


def test_a_locked_server_keeps_its_nics(scene: ComputeSite, web: Web) -> None:
    port_id = scene.a_port(scene.red)
    assert web.act("lock").status == 202
    assert web.attach(port_id=port_id).status == 409
    assert web.detach(web.first).status == 409
    assert web.attach(port_id=port_id, user="admin").status == 200


def test_quotas_hold_for_attached_nics(scene: ComputeSite, web: Web) -> None:
    project = scene.caller().own_project
    held = len(web.states())
    reply = scene.site.http.request(
        "PUT", f"/network/v2.0/quotas/{project}", token=scene.token("admin"),
        body={"quota": {"port": held}},
    )  # fmt: skip
    assert reply.status == 200, reply
    refused = web.attach(net_id=scene.red.id)
    assert (refused.status, "ports" in message(refused).lower()) == (403, True), refused
    assert owners(scene) == [web.id]


def test_a_device_that_was_claimed_before_counts_once(scene: ComputeSite, web: Web) -> None:
    """The project holds it already, and keeps it if its quota is less by now."""
    svc, admin, project = scene.site.svc, scene.caller("admin"), scene.caller().own_project
    claimed = create_port(svc, admin, PortCreate(
        network_id=scene.red.id, vnic_type=VnicType.DIRECT, project_id=project,
        host=web.agent.name, profile={"pci_slot": "0000:82:02.0"},
    )).port.id  # fmt: skip
    set_quotas(svc, admin, project, [(Resource.VFS, None, 1)])
    refused = web.attach(port_id=scene.a_port(scene.red))
    assert (refused.status, "VF" in message(refused)) == (403, True), refused
    web.attached(port_id=claimed)
    assert owners(scene) == [web.id] * 2


def test_what_a_guest_could_not_be_given_is_undone_and_told(scene: ComputeSite, web: Web) -> None:
    given = scene.a_port(scene.red)
    web.attached(port_id=given)
    made = web.attached(net_id=scene.blue.id)["port_id"]
    for port_id in (given, made):
        web.refuse_nic(port_id, "No more available PCI slots")
    assert list(web.states()) == [web.first]
    assert scene.status_of(web.id) == "ACTIVE"
    port = port_of(scene, given)
    assert port is not None
    assert (port["device_id"], port["binding:profile"]) == ("", {})
    assert port_of(scene, made) is None
    scene.settle()
    assert owners(scene) == [web.id]
    path = f"/servers/{web.id}/os-instance-actions"
    actions = scene.call("GET", path, version="2.96", user="admin").json()["instanceActions"]
    (newest, *_) = actions
    assert (newest["action"], newest["message"]) == ("attach_interface", "Error")
    shown = scene.call("GET", f"{path}/{newest['request_id']}", version="2.96", user="admin").json()
    told = {event["event"]: event["details"] for event in shown["instanceAction"]["events"]}
    assert told["server.attach_failed"] == "No more available PCI slots"


def test_what_a_guest_does_not_let_go_of_stays_booked_and_is_told(
    scene: ComputeSite, web: Web
) -> None:
    assert web.detach(web.first).status == 202
    web.refuse_nic(web.first, "its guest has not let go of it within 20 s")
    assert list(web.states()) == [web.first]
    assert owners(scene) == [web.id]
    assert web.detach(web.first).status == 202, "to ask again changes nothing"
    assert web.act("os-stop").status == 202
    scene.settle()
    assert web.states() == {}
    scene.settle()
    assert owners(scene) == []


def test_what_a_host_found_before_says_nothing_about_a_nic(scene: ComputeSite, web: Web) -> None:
    """Reports are long under way: of an older configuration is what they tell."""
    port_id = scene.a_port(scene.red, vnic_type=VnicType.NORMAL)
    before = {a.name: desired_config(scene.site.svc, a.name) for a in scene.agents}
    web.attached(port_id=port_id)

    def tell_again() -> None:
        for agent in scene.agents:
            agent.report(
                generation=before[agent.name].generation,
                servers=[as_desired(server) for server in before[agent.name].servers],
            )

    tell_again()
    assert web.states()[port_id] == "BUILD"
    assert web.detach(port_id).status == 202
    tell_again()
    assert port_id in web.states()
    scene.settle()
    assert port_id not in web.states()


def test_a_guest_that_is_started_again_as_it_was_has_no_nic_that_came_after(
    scene: ComputeSite, web: Web
) -> None:
    """So that what it could not be given even then is undone."""
    agent, old = web.agent, web.config()
    before = desired_config(scene.site.svc, agent.name)
    port_id = scene.a_port(scene.red, vnic_type=VnicType.NORMAL)
    device_port = scene.a_port(scene.red)
    web.attached(port_id=port_id)
    web.attached(port_id=device_port)
    web.crash(generation=before.generation)
    agent.report(generation=before.generation, servers=[as_desired(old)])
    assert scene.status_of(web.id) == "ACTIVE"
    assert web.states() == {web.first: "ACTIVE", port_id: "BUILD", device_port: "BUILD"}
    for each in (port_id, device_port):
        web.refuse_nic(each, "No more available PCI slots")
    assert list(web.states()) == [web.first]


def test_what_a_guest_that_was_started_again_could_not_be_given_does_not_keep_it_from_running(
    scene: ComputeSite, web: Web
) -> None:
    coming = web.attached(port_id=scene.a_port(scene.red))["port_id"]
    leaving = web.attached(port_id=scene.a_port(scene.red))["port_id"]
    assert web.detach(leaving).status == 202
    web.crash(generation=desired_config(scene.site.svc, web.agent.name).generation)
    assert scene.status_of(web.id) == "HARD_REBOOT"
    web.refuse_nic(coming, "its VF takes no VLAN")
    config, agent = web.config(), web.agent
    agent.report(servers=[as_desired(config)])
    assert scene.status_of(web.id) == "ACTIVE"
    assert web.states() == {web.first: "ACTIVE", leaving: "ACTIVE"}, "until it is told to be gone"
    scene.settle()
    assert web.states() == {web.first: "ACTIVE"}


def test_a_server_that_is_deleted_takes_along_what_was_to_leave_it(
    scene: ComputeSite, web: Web
) -> None:
    port_id = scene.a_port(scene.red)
    web.attached(port_id=port_id)
    assert web.detach(web.first).status == 202
    assert scene.call("DELETE", f"/servers/{web.id}").status == 204
    for each in (port_id, web.first):
        port = port_of(scene, each)
        assert port is not None
        assert port["device_id"] == ""
    scene.settle()
    assert owners(scene) == []


def test_a_guest_finds_its_other_nics_where_they_were(scene: ComputeSite, web: Web) -> None:
    second, third = scene.a_port(scene.red), scene.a_port(scene.red)
    web.attached(port_id=second)
    scene.settle()
    assert web.detach(web.first).status == 202
    scene.settle()
    assert [(place, nic.port_id) for place, nic in web.config().placed_nics] == [(1, second)]
    web.attached(port_id=third)
    assert [place for place, _ in web.config().placed_nics] == [1, 0]


def test_a_nic_of_another_server_is_none_of_this_one(scene: ComputeSite, web: Web) -> None:
    other = scene.a_port(scene.red)
    scene.a_server("other", other)
    scene.settle()
    for port_id in (other, NOWHERE, "x"):
        assert web.detach(port_id).status == 404
