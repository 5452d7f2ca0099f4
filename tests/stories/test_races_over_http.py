"""Requests at the same moment, on either database: one of them wins, and the others are told so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.compute_site import BLANK_DISK
from tests.support.http_app import Reply, Site
from tests.support.world import PHY1, AgentByHand, a_card, a_flavor
from trunkline.control.desired import desired_config
from trunkline.domain.ids import HostName
from trunkline.reconcile.report import DeviceCondition, DeviceFact

RACERS = 6
NET = "/network/v2.0"


def at_once(work: Callable[[int], Reply]) -> list[Reply]:
    """Run ``work(0)``, ``work(1)``, … in threads that start together."""
    start = threading.Barrier(RACERS)
    replies: dict[int, Reply] = {}

    def run(number: int) -> None:
        start.wait(30)
        replies[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [replies[number] for number in range(RACERS)]


def statuses(replies: list[Reply]) -> list[int]:
    return sorted(reply.status for reply in replies)


class Admin:
    """Asks as the admin."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._token = site.token("admin")

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._site.http.request(method, path, token=self._token, body=body, headers=sent)

    def make(self, what: str, path: str, **fields: object) -> Any:
        reply = self("POST", path, {what: fields})
        assert reply.status in (200, 201, 202), reply
        return reply.json()[what]


@pytest.fixture
def admin(site: Site) -> Admin:
    return Admin(site)


@pytest.fixture
def network(admin: Admin) -> Any:
    return admin.make(
        "network", f"{NET}/networks", **{
            "name": "n", "provider:network_type": "vlan", "provider:physical_network": "phy1",
            "provider:segmentation_id": 100,
        },
    )  # fmt: skip


def kinds(admin: Admin, network: Any) -> Iterator[tuple[str, str, Any]]:
    """One of each kind of object that has a revision number."""
    at = {"network_id": network["id"]}
    yield "network", f"{NET}/networks", network
    subnet = {"cidr": "10.0.0.0/24", "ip_version": 4, **at}
    yield "subnet", f"{NET}/subnets", admin.make("subnet", f"{NET}/subnets", **subnet)
    yield "port", f"{NET}/ports", admin.make("port", f"{NET}/ports", **at)
    path = f"{NET}/qos/policies"
    yield "policy", path, admin.make("policy", path, name="q")
    path = f"{NET}/security-groups"
    yield "security_group", path, admin.make("security_group", path, name="g")


def test_of_updates_that_name_one_revision_one_is_made_of_every_kind(
    admin: Admin, network: Any
) -> None:
    for what, path, made in kinds(admin, network):
        seen = f"revision_number={made['revision_number']}"
        target = f"{path}/{made['id']}"

        def rename(number: int, what: str = what, target: str = target, seen: str = seen) -> Reply:
            return admin("PUT", target, {what: {"description": f"by {number}"}}, If_Match=seen)

        replies = at_once(rename)
        assert statuses(replies) == [200] + [412] * (RACERS - 1), what
        (won,) = (number for number, reply in enumerate(replies) if reply.status == 200)
        kept = admin("GET", target).json()[what]
        assert kept["description"] == f"by {won}", what
        assert kept["revision_number"] > made["revision_number"], what
        assert admin("DELETE", target, If_Match=seen).status == 412, what
        assert admin("GET", target).status == 200, what


def test_updates_that_name_no_revision_are_all_made_and_each_is_counted(
    admin: Admin, network: Any
) -> None:
    for what, path, made in kinds(admin, network):
        target = f"{path}/{made['id']}"

        def rename(number: int, what: str = what, target: str = target) -> Reply:
            return admin("PUT", target, {what: {"description": f"by {number}"}})

        replies = at_once(rename)
        assert statuses(replies) == [200] * RACERS, what
        numbers = sorted(reply.json()[what]["revision_number"] for reply in replies)
        assert len(set(numbers)) == RACERS, (what, numbers)


def test_what_must_be_unique_is_so_whoever_asks_at_the_same_moment(
    admin: Admin, network: Any
) -> None:
    at = {"network_id": network["id"]}
    subnet = admin.make("subnet", f"{NET}/subnets", cidr="10.9.0.0/24", ip_version=4, **at)
    fixed = [{"subnet_id": subnet["id"], "ip_address": "10.9.0.9"}]
    flavor = {"ram": 64, "vcpus": 1, "disk": 1}
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "phy1"}
    for what, path, fields in (
        ("network", f"{NET}/networks", {**vlan, "provider:segmentation_id": 101}),
        ("subnet", f"{NET}/subnets", {"cidr": "10.8.0.0/24", "ip_version": 4, **at}),
        ("port", f"{NET}/ports", {"mac_address": "02:00:00:00:00:09", **at}),
        ("port", f"{NET}/ports", {"fixed_ips": fixed, **at}),
        ("flavor", "/compute/v2.1/flavors", {"name": "f", **flavor}),
        ("flavor", "/compute/v2.1/flavors", {"name": "g{}", "id": "f1", **flavor}),
        ("keypair", "/compute/v2.1/os-keypairs", {"name": "k", "public_key": KEY}),
    ):

        def make(number: int, what: str = what, path: str = path, fields: Any = fields) -> Reply:
            own = {
                name: value.format(number) if name == "name" else value
                for name, value in fields.items()
            }
            return admin("POST", path, {what: own})

        replies = at_once(make)
        made = [reply for reply in replies if reply.status in (200, 201)]
        assert len(made) == 1, (what, fields, statuses(replies))
        others = {reply.status for reply in replies if reply not in made}
        assert others <= {400, 409}, (what, others)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0yD3fW0c8N9v2VqDq1v1cF1cX0zq0m3pX0J8bqk1aZ somebody"


def test_what_is_deleted_at_the_same_moment_is_gone_once(admin: Admin, network: Any) -> None:
    for _, path, made in reversed(list(kinds(admin, network))):
        target = f"{path}/{made['id']}"
        replies = at_once(lambda _, target=target: admin("DELETE", target))  # type: ignore[misc]  # The default is text.
        assert statuses(replies) == [204] + [404] * (RACERS - 1), path


def test_servers_that_are_deleted_while_they_are_built_hold_nothing(
    site: Site, admin: Admin, network: Any
) -> None:
    """Their host has heard of half of them, and each is deleted twice at once."""
    agent = AgentByHand(site.svc, HostName("h1"), a_card(5, PHY1, vf_count=8))
    flavor = a_flavor(site.svc)
    nic = {"network_id": network["id"], "binding:vnic_type": "direct"}
    ports = [admin.make("port", f"{NET}/ports", **nic)["id"] for _ in range(RACERS)]
    deletions: list[int] = []

    def boot_and_delete(number: int) -> Reply:
        server = admin.make(
            "server", "/compute/v2.1/servers", name=f"s{number}", flavorRef=flavor.id,
            imageRef="", networks=[{"port": ports[number]}],
            block_device_mapping_v2=[BLANK_DISK],
        )  # fmt: skip
        target = f"/compute/v2.1/servers/{server['id']}"
        if number % 2:
            desired_config(site.svc, agent.name)

        def delete() -> None:
            deletions.append(admin("DELETE", target).status)

        twice = [threading.Thread(target=delete) for _ in range(2)]
        for thread in twice:
            thread.start()
        for thread in twice:
            thread.join()
        return admin("GET", target)

    assert statuses(at_once(boot_and_delete)) == [404] * RACERS
    assert set(deletions) <= {204, 404}
    assert deletions.count(204) >= RACERS
    for port in ports:
        shown = admin("GET", f"{NET}/ports/{port}").json()["port"]
        assert (shown["device_id"], shown["binding:host_id"]) == ("", "")
    config = desired_config(site.svc, agent.name)
    assert config.servers == ()
    clean = [
        DeviceFact(address=d.address, epoch=d.epoch, condition=DeviceCondition.CLEAN)
        for d in config.releases
    ]
    agent.report(devices=clean)
    devices = admin("GET", "/trunkline/v1/devices?limit=100").json()["devices"]
    assert {device["state"] for device in devices if device["kind"] == "vf"} == {"free"}
