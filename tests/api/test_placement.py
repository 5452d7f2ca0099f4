"""The placement API over a real store: providers as Placement's users know them.

Of `two_networks`: h1 has a card of 2 VFs on phy1 and one on phy2 (an ixgbe), h2 one on phy1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks
from tests.support.world import ADMIN, PHY1, a_card
from trunkline.control.aggregates import add_host, create_aggregate
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import HostName
from trunkline.domain.port import VnicType


def get(world: TwoNetworks, path: str, *, version: str | None = "1.39") -> Reply:
    headers = {} if version is None else {"OpenStack-API-Version": f"placement {version}"}
    return world.site.http.request(
        "GET", f"/placement{path}", token=world.admin_token, headers=headers
    )


def providers(world: TwoNetworks, query: str = "", *, version: str = "1.39") -> dict[str, Any]:
    """By name."""
    reply = get(world, f"/resource_providers{query}", version=version)
    assert reply.status == 200, reply
    return {each["name"]: each for each in reply.json()["resource_providers"]}


def of(world: TwoNetworks, name: str, what: str) -> Any:
    uuid = providers(world)[name]["uuid"]
    reply = get(world, f"/resource_providers/{uuid}/{what}")
    assert reply.status == 200, reply
    return reply.json()[what]


def counts(world: TwoNetworks, name: str) -> dict[str, tuple[int, int, int]]:
    """Of each class: total, reserved, used."""
    usages = of(world, name, "usages")
    return {
        each: (found["total"], found["reserved"], usages[each])
        for each, found in of(world, name, "inventories").items()
    }


def test_hosts_are_roots_and_their_cards_are_below_them(world: TwoNetworks) -> None:
    found = providers(world)
    assert sorted(found) == [
        "h1", "h1_0000:05:00.0", "h1_0000:06:00.0", "h2", "h2_0000:05:00.0",
    ]  # fmt: skip
    root, card = found["h1"], found["h1_0000:06:00.0"]
    assert (root["root_provider_uuid"], root["parent_provider_uuid"]) == (root["uuid"], None)
    assert (card["root_provider_uuid"], card["parent_provider_uuid"]) == 2 * (root["uuid"],)
    assert get(world, f"/resource_providers/{card['uuid']}").json() == card


def test_a_server_takes_of_the_host_and_of_the_card(world: TwoNetworks) -> None:
    assert counts(world, "h1_0000:05:00.0") == {
        "SRIOV_NET_VF": (2, 0, 0), "CUSTOM_PCI_15B3_1017": (1, 0, 0),
    }  # fmt: skip
    port = world.port(world.red, "p", VnicType.DIRECT)
    server = world.server("web", port)
    # Whoever has a VF of a card keeps everybody from the card as a whole.
    assert counts(world, "h1_0000:06:00.0") == {
        "SRIOV_NET_VF": (2, 0, 1), "CUSTOM_PCI_15B3_1017": (1, 1, 0),
    }  # fmt: skip
    small = world.small
    assert counts(world, "h1") == {
        "VCPU": (64, 0, small.vcpus),
        "MEMORY_MB": (262144, 0, small.memory_mib),
        "DISK_GB": (4096, 0, small.disk_gib),
    }
    root, card = (providers(world)[name]["uuid"] for name in ("h1", "h1_0000:06:00.0"))
    held = get(world, f"/allocations/{server.server.id}").json()
    assert {uuid: each["resources"] for uuid, each in held["allocations"].items()} == {
        root: {
            "VCPU": small.vcpus,
            "MEMORY_MB": small.memory_mib,
            **({"DISK_GB": small.disk_gib} if small.disk_gib else {}),
        },
        card: {"SRIOV_NET_VF": 1},
    }
    assert (held["project_id"], held["user_id"]) == (world.demo.project_id, world.demo.user_id)
    assert of(world, "h1_0000:06:00.0", "allocations") == {
        server.server.id: {"resources": {"SRIOV_NET_VF": 1}, "consumer_generation": 1}
    }


def test_a_card_given_away_whole_leaves_none_of_its_vfs(world: TwoNetworks) -> None:
    world.server("whole", world.port(world.red, "p", VnicType.DIRECT_PHYSICAL))
    assert counts(world, "h1_0000:06:00.0") == {
        "SRIOV_NET_VF": (2, 2, 0), "CUSTOM_PCI_15B3_1017": (1, 0, 1),
    }  # fmt: skip


def test_a_device_that_an_admin_has_claimed_for_a_port_is_held_by_the_port(
    world: TwoNetworks,
) -> None:
    asked = PortCreate(
        network_id=world.red.id,
        vnic_type=VnicType.DIRECT,
        host=HostName("h1"),
        profile={"pci_slot": "0000:06:02.0"},
    )
    port = create_port(world.site.svc, world.admin, asked).port
    held = get(world, f"/allocations/{port.id}").json()["allocations"]
    assert [each["resources"] for each in held.values()] == [{"SRIOV_NET_VF": 1}]
    assert list(of(world, "h1_0000:06:00.0", "allocations")) == [port.id]


def test_of_a_consumer_that_is_not_there_nothing_is_held(world: TwoNetworks) -> None:
    for consumer in ("7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11", "nonsense"):
        assert get(world, f"/allocations/{consumer}").json() == {"allocations": {}}


def test_bandwidth_that_a_card_guarantees_is_its_inventory(world: TwoNetworks) -> None:
    pf, *vfs = a_card(5, PHY1, vf_count=2)
    has = Bandwidth(egress_mbps=10_000, ingress_mbps=4_000)
    world.h2.report(inventory=(replace(pf, bandwidth=has), *vfs))
    found = counts(world, "h2_0000:05:00.0")
    assert found["NET_BW_EGR_KILOBIT_PER_SEC"] == (10_000_000, 0, 0)
    assert found["NET_BW_IGR_KILOBIT_PER_SEC"] == (4_000_000, 0, 0)


def test_traits_say_the_network_the_vnic_types_and_what_a_driver_can(world: TwoNetworks) -> None:
    neutrons = {"CUSTOM_VNIC_TYPE_DIRECT", "CUSTOM_VNIC_TYPE_MACVTAP"}
    whole = "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL"
    assert set(of(world, "h1_0000:06:00.0", "traits")) == {
        *neutrons, whole, "CUSTOM_PHYSNET_PHY2", "HW_NIC_SRIOV", "HW_NIC_SRIOV_TRUSTED",
    }  # fmt: skip
    assert of(world, "h1", "traits") == []
    world.ask("/hosts/h1", method="PATCH", body={"enabled": False})
    assert of(world, "h1", "traits") == ["COMPUTE_STATUS_DISABLED"]


def test_a_device_counts_as_the_class_of_its_tag(world: TwoNetworks) -> None:
    gpu = replace(
        a_card(9, PHY1, vf_count=0)[0],
        tags={"resource_class": "CUSTOM_GPU", "traits": "CUSTOM_HBM, CUSTOM_NVLINK"},
    )
    gpu = replace(gpu, function=replace(gpu.function, kind=DeviceKind.PLAIN, vf_count_max=0))
    world.h2.report(inventory=(gpu, *a_card(5, PHY1, vf_count=2)))
    assert counts(world, "h2_0000:09:00.0") == {"CUSTOM_GPU": (1, 0, 0)}
    assert of(world, "h2_0000:09:00.0", "traits") == ["CUSTOM_HBM", "CUSTOM_NVLINK"]
    assert "CUSTOM_GPU" in {
        each["name"] for each in get(world, "/resource_classes").json()["resource_classes"]
    }
    assert get(world, "/resource_classes/CUSTOM_GPU").json()["name"] == "CUSTOM_GPU"
    assert get(world, "/traits?name=startswith:CUSTOM_H").json() == {"traits": ["CUSTOM_HBM"]}
    assert get(world, "/traits?name=in:CUSTOM_HBM,CUSTOM_X").json() == {"traits": ["CUSTOM_HBM"]}
    assert get(world, "/traits/CUSTOM_HBM").status == 204
    assert get(world, "/traits/CUSTOM_X").status == 404


def test_what_is_off_offer_is_no_longer_counted(world: TwoNetworks) -> None:
    pf, first, _ = a_card(5, PHY1, vf_count=2)
    world.h2.report(inventory=(replace(pf, on_offer=False), first))
    assert counts(world, "h2_0000:05:00.0") == {"SRIOV_NET_VF": (1, 0, 0)}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?name=h2", {"h2"}),
        ("?resources=VCPU:64", {"h1", "h2"}),
        ("?resources=VCPU:65", set()),
        ("?resources=SRIOV_NET_VF:2,CUSTOM_PCI_15B3_1017:1",
         {"h1_0000:05:00.0", "h1_0000:06:00.0", "h2_0000:05:00.0"}),
        ("?required=CUSTOM_PHYSNET_PHY2", {"h1_0000:06:00.0"}),
        ("?required=HW_NIC_SRIOV,!CUSTOM_PHYSNET_PHY2", {"h1_0000:05:00.0", "h2_0000:05:00.0"}),
        ("?required=in:CUSTOM_PHYSNET_PHY2,CUSTOM_PHYSNET_PHY9", {"h1_0000:06:00.0"}),
        ("?member_of=7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11", set()),
        ("?uuid=7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11", set()),
        ("?in_tree=7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11", set()),
    ],
)  # fmt: skip
def test_providers_are_found_by(world: TwoNetworks, query: str, names: set[str]) -> None:
    assert set(providers(world, query)) == names


def test_hosts_are_found_by_the_aggregates_that_they_are_in(world: TwoNetworks) -> None:
    made = {}
    for name, host in (("fast", "h1"), ("slow", "h2"), ("big", "h2")):
        made[name] = create_aggregate(world.site.svc, ADMIN, name).aggregate
        add_host(world.site.svc, ADMIN, made[name].id, host)
    fast, slow, big = made["fast"].uuid, made["slow"].uuid, made["big"].uuid
    every = set(providers(world))
    for query, names in (
        (f"?member_of={fast}", {"h1"}),
        (f"?member_of=in:{fast},{slow}", {"h1", "h2"}),
        (f"?member_of={slow}&member_of={big}", {"h2"}),
        (f"?member_of={slow}&member_of={fast}", set()),
        (f"?member_of=!{slow}", every - {"h2"}),
        (f"?member_of=!in:{fast},{slow}", every - {"h1", "h2"}),
    ):
        assert set(providers(world, query)) == names, query
    assert of(world, "h2", "aggregates") == sorted([slow, big])
    assert of(world, "h2_0000:05:00.0", "aggregates") == []
    for version, query in (
        ("1.23", f"?member_of={slow}&member_of={big}"),
        ("1.31", f"?member_of=!{slow}"),
        ("1.39", "?member_of=fast"),
        ("1.39", f"?member_of=in:{slow},"),
    ):
        assert get(world, f"/resource_providers{query}", version=version).status == 400


def test_a_provider_and_its_tree_are_found_by_the_id_of_host_or_card(world: TwoNetworks) -> None:
    every = providers(world)
    card = every["h2_0000:05:00.0"]["uuid"]
    assert set(providers(world, f"?uuid={card}")) == {"h2_0000:05:00.0"}
    for name in ("h2", "h2_0000:05:00.0"):
        assert set(providers(world, f"?in_tree={every[name]['uuid']}")) == {
            "h2", "h2_0000:05:00.0",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/resource_providers?colour=red", "colour"),
        ("/resource_providers?resources=VCPU", "'VCPU' is not CLASS:AMOUNT"),
        ("/resource_providers?resources=VCPU:0", "asks for none"),
        ("/resource_providers?resources=VCPU:99999999999", "not CLASS:AMOUNT"),
        ("/resource_providers?required=", "no name of a trait"),
        ("/resource_providers?required=in:", "no name of a trait"),
        ("/traits?name=GPU", "in:NAME,NAME"),
        ("/traits?associated=maybe", "true or false"),
        ("/resource_classes?name=X", "leave it out"),
    ],
)
def test_a_query_that_is_not_served_is_refused(world: TwoNetworks, path: str, said: str) -> None:
    reply = get(world, path)
    (error,) = reply.json()["errors"]
    assert (reply.status, error["status"], error["title"]) == (400, 400, "Bad Request")
    assert said in error["detail"]


def test_what_is_not_there_is_said_in_placements_form(world: TwoNetworks) -> None:
    uuid = providers(world)["h1"]["uuid"]
    for path in (
        "/resource_providers/nothing",
        "/resource_providers/nothing/usages",
        f"/resource_providers/{uuid}/inventories/SRIOV_NET_VF",
        "/resource_classes/CUSTOM_NOTHING",
    ):
        reply = get(world, path)
        (error,) = reply.json()["errors"]
        assert (reply.status, error["title"]) == (404, "Not Found"), path
        assert error["request_id"].startswith("req-")


def test_it_is_read_only(world: TwoNetworks) -> None:
    for method, path in (("POST", "/resource_providers"), ("PUT", "/allocations/x")):
        reply = world.site.http.request(
            method, f"/placement{path}", token=world.admin_token, body={}
        )
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_each_version_has_its_own_fields(world: TwoNetworks) -> None:
    uuid = providers(world)["h1"]["uuid"]

    def fields(version: str | None) -> tuple[set[str], list[str]]:
        reply = get(world, f"/resource_providers/{uuid}", version=version)
        assert reply.headers["openstack-api-version"] == f"placement {version or '1.0'}"
        body = reply.json()
        return set(body), [link["rel"] for link in body["links"]]

    brief = {"uuid", "name", "generation", "links"}
    assert fields(None) == (brief, ["self", "inventories", "usages"])
    assert fields("1.13") == (
        brief, ["self", "inventories", "usages", "aggregates", "traits", "allocations"],
    )  # fmt: skip
    assert fields("1.14")[0] == brief | {"root_provider_uuid", "parent_provider_uuid"}
    assert get(world, f"/resource_providers/{uuid}/traits", version="1.5").status == 404
    assert get(world, "/resource_providers?in_tree=x", version="1.13").status == 400
    assert get(world, f"/resource_providers/{uuid}", version="1.40").status == 406
    assert get(world, f"/resource_providers/{uuid}", version="latest").status == 200


def test_its_version_document_is_for_everybody(world: TwoNetworks) -> None:
    (version,) = world.site.http.request("GET", "/placement").json()["versions"]
    assert (version["id"], version["min_version"], version["max_version"]) == (
        "v1.0", "1.0", "1.39",
    )  # fmt: skip
