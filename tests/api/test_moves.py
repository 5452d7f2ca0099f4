"""Which servers would have to move away, as admins are told, and as tenants are not.

h1 has 2 VFs on phy1 (blue) and 2 on phy2 (red), h2 has 2 on phy1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.two_networks import TwoNetworks
from trunkline.control.servers import delete_server
from trunkline.domain.host import HostResources
from trunkline.domain.ids import FlavorId
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType

RED = {"network": "red", "vnic_type": "direct"}
BLUE = {"network": "blue", "vnic_type": "direct"}


def explain(world: TwoNetworks, *nics: dict[str, str], tenant: bool = False, **more: str) -> Any:
    reply = world.ask("/explain", method="POST", body={"nics": list(nics), **more}, tenant=tenant)
    assert reply.status == 200, reply
    return reply.json()


def boot(world: TwoNetworks, name: str, *networks: Network) -> str:
    """Make a server with a VF on each of these networks, and return its ID."""
    ports = [
        world.port(network, f"{name}-{n}", VnicType.DIRECT) for n, network in enumerate(networks)
    ]
    return world.server(name, *ports).server.id


def nearest_edits(answer: Any) -> Any:
    edits: Any = answer["hosts"][0]["edits"]
    return edits


def test_the_host_that_was_asked_for_is_told_about_however_far_it_is(world: TwoNetworks) -> None:
    reply = world.ask(
        "/explain?nearest=1", method="POST", body={"nics": [RED, RED], "host": "h2"}
    ).json()
    assert [host["host"] for host in reply["hosts"]] == ["h1"]
    assert reply["smallest_change"] == "ask for h1 instead of h2"
    assert reply["asked_for"]["host"] == "h2"
    boot(world, "a", world.red)
    boot(world, "b", world.red)
    answer = explain(world, RED, host="h1")
    assert answer["asked_for"]["change"].endswith("one of these two servers: a, b")
    assert explain(world, RED)["asked_for"] is None


def test_any_of_the_servers_with_the_devices_may_move(world: TwoNetworks) -> None:
    a, b = boot(world, "a", world.red), boot(world, "b", world.red)
    answer = explain(world, RED)
    assert answer["smallest_change"] == (
        "one more free VF with e.physical_network=phy2 on h1 (for nic 0): "
        "move away one of these two servers: a, b"
    )
    [edit] = nearest_edits(answer)
    assert (edit["kind"], edit["count"], edit["needed"]) == ("free_device", 1, 1)
    assert edit["words"] == answer["smallest_change"]
    assert edit["servers"] == [
        {"server_id": a, "server": "a", "amount": 1},
        {"server_id": b, "server": "b", "amount": 1},
    ]
    red_vfs = world.ask("/devices?physical_network=phy2").json()["devices"]
    addresses = {d["owner"]["server_id"]: d["address"] for d in red_vfs if d["owner"]}
    told = {d["server_id"]: (d["device"], d["state"]) for d in edit["devices"]}
    assert told == {a: (addresses[a], "claimed"), b: (addresses[b], "claimed")}
    assert (edit["server_count"], edit["device_count"]) == (2, 2)


def test_servers_with_several_devices_each_are_told_with_how_many(world: TwoNetworks) -> None:
    boot(world, "both", world.red, world.red)
    answer = explain(world, RED, RED)
    assert answer["smallest_change"].endswith(": move away the server both")
    assert nearest_edits(answer)[0]["servers"][0]["amount"] == 2


def test_where_all_of_them_have_to_move_that_is_said(world: TwoNetworks) -> None:
    boot(world, "a", world.red)
    boot(world, "b", world.red)
    answer = explain(world, RED, RED)
    assert answer["smallest_change"].endswith(": move away these two servers: a, b")


def test_only_servers_with_devices_that_would_do_are_named(world: TwoNetworks) -> None:
    boot(world, "on blue", world.blue)
    boot(world, "on red", world.red, world.red)
    [edit] = nearest_edits(explain(world, RED))
    assert [server["server"] for server in edit["servers"]] == ["on red"]


def test_a_device_on_its_way_back_is_told_as_such(world: TwoNetworks) -> None:
    boot(world, "a", world.red)
    delete_server(world.site.svc, world.demo, boot(world, "gone", world.red))
    answer = explain(world, RED)
    assert answer["smallest_change"].endswith(
        ": move away the server a; 1 of these devices is being released"
    )
    [edit] = nearest_edits(answer)
    assert sorted((d["state"], d["server_id"] is None) for d in edit["devices"]) == [
        ("claimed", False), ("releasing", False),
    ]  # fmt: skip
    assert edit["server_count"] == 1


def grown(world: TwoNetworks, name: str, *, vcpus: int, memory_mib: int, disk_gib: int) -> None:
    """Store a flavor of this size."""
    flavor = replace(
        world.small, id=FlavorId(name), name=name, vcpus=vcpus, memory_mib=memory_mib,
        disk_gib=disk_gib,
    )  # fmt: skip
    world.site.svc.store.write(lambda tx: tx.flavors.insert(flavor))


@pytest.mark.parametrize(
    ("resources", "size", "kind", "change"),
    [
        (
            HostResources(vcpus=3, memory_mib=9999, disk_gib=99),
            {"vcpus": 2, "memory_mib": 512, "disk_gib": 1},
            "free_vcpus",
            "1 more free vCPU on h1: move away one of these two servers: a, b",
        ),
        (
            HostResources(vcpus=9, memory_mib=1100, disk_gib=99),
            {"vcpus": 1, "memory_mib": 1024, "disk_gib": 1},
            "free_memory",
            (
                "948 more MiB of free memory on h1: move away as many of these two servers as hold"
                " 948 MiB of memory: a (512), b (512)"
            ),
        ),
        (
            HostResources(vcpus=9, memory_mib=9999, disk_gib=2),
            {"vcpus": 1, "memory_mib": 512, "disk_gib": 5},
            "free_disk",
            "5 more GiB of free disk on h1",
        ),
    ],
)
def test_what_lacks_of_a_host_is_told_with_the_servers_that_have_it(
    world: TwoNetworks, resources: HostResources, size: dict[str, int], kind: str, change: str
) -> None:
    """A server that does not fit on an empty host either has nobody to move."""
    for name in ("a", "b"):
        boot(world, name, world.red)
    world.h1.report(resources=resources)
    world.h2.report(resources=resources)
    grown(world, "grown", **size)
    answer = explain(world, host="h1", flavor="grown")
    assert answer["hosts"][0]["change"] == change
    [edit] = nearest_edits(answer)
    assert edit["kind"] == kind
    assert [one["server"] for one in edit["servers"]] == (["a", "b"] if ":" in change else [])


def test_a_tenant_is_told_of_no_server(world: TwoNetworks) -> None:
    secrets = [boot(world, "hidden-one", world.red), boot(world, "hidden-two", world.red)]
    body = {"nics": [RED]}
    reply = world.ask("/explain", method="POST", body=body, tenant=True)
    assert sum(reply.json()["counts"].values()) == 2
    for secret in ("hidden-one", "hidden-two", *secrets):
        assert secret not in reply.body.decode()


def test_a_fault_says_how_many_servers_and_names_none(world: TwoNetworks) -> None:
    boot(world, "hidden-one", world.red)
    boot(world, "hidden-two", world.red)
    view = world.server("late", world.port(world.red, "late", VnicType.DIRECT))
    fault = view.server.fault
    assert fault is not None
    assert "on h1" in fault.details
    assert ": move away one of two servers\n" in fault.details
    assert "hidden" not in fault.details + fault.message


def test_what_if_looks_at_servers_where_they_would_be(world: TwoNetworks) -> None:
    """h1's two servers on blue go to h2; one more finds both there, and none on h1."""
    boot(world, "a", world.blue)
    boot(world, "b", world.blue)
    for host in (world.h1, world.h2):
        host.report()
    reply = world.ask("/what-if", method="POST", body={"drain": ["h1"], "nics": [BLUE]})
    assert reply.status == 200, reply
    answer = reply.json()
    assert {move["to_host"] for move in answer["moves"]} <= {"h2"}
    shape = answer["shape"]
    assert shape["smallest_change"].endswith(
        "on h2 (for nic 0): move away one of these two servers: a, b"
    )
    [edit] = shape["edits"]
    assert [one["server"] for one in edit["servers"]] == ["a", "b"]
    assert all(one["device"].startswith("0000:05:") for one in edit["devices"])


def test_what_if_names_who_is_in_the_way_of_a_server_without_a_place(world: TwoNetworks) -> None:
    for name in ("a", "b", "c", "d"):
        boot(world, name, world.blue)
    answer = world.ask("/what-if", method="POST", body={"drain": ["h1"]}).json()
    [first, second] = answer["stuck"]
    staying = {"a", "b", "c", "d"} - {first["server"], second["server"]}
    for stuck in (first, second):
        [edit] = stuck["edits"]
        assert {one["server"] for one in edit["servers"]} == staying
        assert "move away one of these two servers: " in stuck["smallest_change"]
