"""Asking for devices by where they are, with the unmodified `openstack` command.

h1   phy1 on NUMA node 0, phy2 on NUMA node 1, 4 VFs each      blue   vlan 100 on phy1
h2   phy1 and phy2 on NUMA node 0, 2 VFs each                  red    vlan 200 on phy2
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stories.desk import BLANK, Desk, Desks
from tests.support.compute_site import ComputeSite
from tests.support.world import PHY1, PHY2, a_card, a_network
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.domain.port import VnicType

ADMIN = "trunkline"


def furnish(scene: ComputeSite) -> None:
    h1, h2 = scene.agents
    h1.report(
        inventory=(
            *a_card(0x05, "phy1", serial=1, numa_node=0),
            *a_card(0x82, "phy2", serial=1, numa_node=1),
        )
    )
    h2.report(
        inventory=(
            *a_card(0x05, "phy1", serial=2, numa_node=0, vf_count=2),
            *a_card(0x06, "phy2", serial=2, numa_node=0, vf_count=2),
        )
    )


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up(furnish) as opened:
        yield opened


def path_of(desk: Desk, server: str) -> Any:
    shown = desk.scene.site.http.request(
        "GET", f"/trunkline/v1/servers/{server}/path", token=desk.scene.token("admin")
    )
    return shown.json()


def test_the_numa_policy_of_ports_is_set_shown_kept_and_unset(desk: Desk) -> None:
    direct = ("port", "create", "--vnic-type", "direct", "--numa-policy-required")
    for network in ("blue", "red"):
        made = desk.show(*direct, "--network", network, f"n-{network}")
        assert made["numa_affinity_policy"] == "required"
    ports = ("--port", "n-blue", "--port", "n-red")
    desk.run("server", "create", "--flavor", "small", *BLANK, *ports, "--wait", "near")
    path = path_of(desk, "near")
    assert path["host"] == "h2"
    assert [nic["device"]["numa_node"] for nic in path["nics"]] == [0, 0]
    said = desk.fail("port", "unset", "--numa-policy", "n-blue")
    assert "numa_affinity_policy cannot change while the port is bound" in said
    desk.run("server", "delete", "--wait", "near")
    for policy in ("preferred", "legacy", "socket"):
        desk.run("port", "set", f"--numa-policy-{policy}", "n-blue")
        assert desk.show("port", "show", "n-blue")["numa_affinity_policy"] == policy
    for port in ("n-blue", "n-red"):
        desk.run("port", "unset", "--numa-policy", port)
        assert desk.show("port", "show", port)["numa_affinity_policy"] is None
    desk.run("server", "create", "--flavor", "small", *BLANK, *ports, "--wait", "far")
    assert path_of(desk, "far")["host"] == "h1"
    desk.run("server", "delete", "--wait", "far")
    desk.run("port", "delete", "n-blue", "n-red")


def test_the_numa_policy_of_a_flavor_and_an_image_counts_for_its_servers(desk: Desk) -> None:
    sizes = ("--ram", "512", "--disk", "1", "--vcpus", "1")
    key = "hw:pci_numa_affinity_policy"
    desk.run("flavor", "create", "near", *sizes, cloud=ADMIN)
    said = desk.fail("flavor", "set", "near", "--property", f"{key}=near", cloud=ADMIN)
    assert "must be one of required, preferred, legacy, socket" in said
    desk.run("flavor", "set", "near", "--property", f"{key}=required", cloud=ADMIN)
    (desk.directory / "disk.img").write_bytes(b"disk")
    create_image = ("image", "create", "--disk-format", "raw", "--file", "disk.img")
    image_key = "hw_pci_numa_affinity_policy"
    desk.run(*create_image, "--property", f"{image_key}=required", "agreeing")
    desk.run(*create_image, "--property", f"{image_key}=legacy", "contrary")
    for network in ("blue", "red"):
        desk.run("port", "create", "--vnic-type", "direct", "--network", network, f"f-{network}")
    create = ("server", "create", "--port", "f-blue", "--port", "f-red")
    said = desk.fail(*create, "--flavor", "near", "--image", "contrary", "web")
    assert "not permitted to override extra spec hw:pci_numa_affinity_policy" in said
    for flavor, image in (("near", "agreeing"), ("small", "agreeing")):
        desk.run(*create, "--flavor", flavor, "--image", image, "--wait", "web")
        assert path_of(desk, "web")["host"] == "h2", (flavor, image)
        desk.run("server", "delete", "--wait", "web")
    desk.run("port", "delete", "f-blue", "f-red")


@pytest.fixture(scope="module")
def ports(desk: Desk) -> tuple[str, ...]:
    """How a server asks for three NICs: a and b on blue, c on red."""
    scene = desk.scene
    for name, network in (("a", scene.blue), ("b", scene.blue), ("c", scene.red)):
        asked = PortCreate(network_id=network.id, vnic_type=VnicType.DIRECT, name=name)
        create_port(scene.site.svc, scene.caller(), asked)
    return ("--port", "a", "--port", "b", "--port", "c")


def test_hints_keep_nics_together_and_apart(desk: Desk, ports: tuple[str, ...]) -> None:
    create = ("server", "create", *BLANK, "--flavor", "small", *ports)
    numa = "trunkline:nic_affinity=numa:hard:port=a,network=red"
    soft = "trunkline:nic_anti_affinity=pf:soft"
    desk.run(*create, "--hint", numa, "--hint", soft, "--wait", "web")
    path = path_of(desk, "web")
    assert path["host"] == "h2"
    assert sorted(path["rules"]) == [
        "trunkline:nic_affinity=numa:hard:0,2",
        "trunkline:nic_anti_affinity=pf:soft:0,1,2",
    ]
    desk.run("server", "delete", "--wait", "web")
    desk.run(*create, "--hint", "trunkline:nic_anti_affinity=pf", "web")
    assert desk.show("server", "show", "web")["status"] == "ERROR"  # One PF on phy1 each.
    desk.run("server", "delete", "--wait", "web")


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (
            "build_near_host_ip=10.0.0.1",
            "scheduler_hints.build_near_host_ip: not served; there are the hints",
        ),
        ("trunkline:nic_affinity=rack", "'rack' in 'rack' is no scope; there are pf, card,"),
        ("trunkline:nic_affinity=pf:0,port=x", "the server has no port 'x'"),
    ],
)
def test_a_hint_that_can_not_be_honoured_is_refused(
    desk: Desk, ports: tuple[str, ...], hint: str, said: str
) -> None:
    create = ("server", "create", *BLANK, "--flavor", "small", *ports)
    assert said in desk.fail(*create, "--hint", hint, "web")


def test_a_flavor_keeps_nics_together(desk: Desk, ports: tuple[str, ...]) -> None:
    sizes = ("--ram", "512", "--disk", "1", "--vcpus", "1")
    rule = ("--property", "trunkline:nic_affinity=numa:0,2")
    desk.run("flavor", "create", "one-node", *sizes, *rule, cloud=ADMIN)
    desk.run("server", "create", *BLANK, "--flavor", "one-node", *ports, "--wait", "web")
    assert path_of(desk, "web")["host"] == "h2"
    desk.run("server", "delete", "--wait", "web")


def test_a_port_asks_for_tags_trust_and_abilities(desk: Desk) -> None:
    direct = ("port", "create", "--network", "blue", "--vnic-type", "direct")
    match = "type=dict,name=pci_match,value=driver:mlx5_core;can.trust:true"
    desk.run(*direct, "--extra-property", match, "matched")
    found = desk.scene.site.http.request(
        "GET", "/network/v2.0/ports?name=matched", token=desk.scene.token("demo")
    ).json()
    (port,) = found["ports"]
    assert port["pci_match"] == {"driver": "mlx5_core", "can.trust": "true"}
    unusable = "type=dict,name=pci_match,value=address:x"
    assert "may not be used" in desk.fail(*direct, "--extra-property", unusable, "x")
    assert "by the policy's rule" in desk.fail(*direct, "--trusted", "x")
    trusted = desk.show(*direct, "--trusted", "trusted", cloud=ADMIN)
    assert trusted["trusted"] is True
    assert trusted["binding_profile"] == {"trusted": True}
    desk.run("port", "set", "--not-trusted", "trusted", cloud=ADMIN)
    assert desk.show("port", "show", "trusted", cloud=ADMIN)["trusted"] is False
    profile = ("--binding-profile", '{"capabilities": ["switchdev"]}')
    assert "switchdev is not served" in desk.fail(*direct, *profile, "x", cloud=ADMIN)


def test_a_port_is_placed_on_the_segment_of_its_subnet(desk: Desk) -> None:
    scene = desk.scene
    demo = scene.caller()
    routed = a_network(scene.site.svc, "routed", (PHY1, 111), (PHY2, 211), project=demo)
    for number, segment in enumerate(routed.segments, start=1):
        desk.run(
            "subnet", "create", "--network", "routed", "--network-segment", segment.id,
            "--subnet-range", f"10.{number}.0.0/24", "--project", demo.own_project,
            f"on-phy{number}", cloud=ADMIN,
        )  # fmt: skip
    direct = ("port", "create", "--network", "routed", "--vnic-type", "direct")
    desk.run(*direct, "--fixed-ip", "subnet=on-phy2", "r2")
    nics = ("--port", "r2", "--nic", f"net-id={routed.id},v4-fixed-ip=10.1.0.7")
    desk.run("server", "create", "--flavor", "small", *BLANK, *nics, "--wait", "routed")
    path = path_of(desk, "routed")
    assert [nic["physical_network"] for nic in path["nics"]] == ["phy2", "phy1"]
    assert path["nics"][0]["fixed_ips"][0].startswith("10.2.0.")
    assert path["nics"][1]["fixed_ips"] == ["10.1.0.7"]
    desk.run("server", "delete", "--wait", "routed")


def test_a_network_packs_its_vfs(desk: Desk) -> None:
    policy = ("--extra-property", "type=str,name=pf_policy,value=pack")
    desk.run("network", "set", *policy, "blue", cloud=ADMIN)
    found = desk.scene.site.http.request(
        "GET", "/network/v2.0/networks?name=blue", token=desk.scene.token("admin")
    ).json()
    assert [network["pf_policy"] for network in found["networks"]] == ["pack"]
    assert "by the policy's rule" in desk.fail("network", "set", *policy, "blue")
    bad = ("--extra-property", "type=str,name=pf_policy,value=heap")
    said = desk.fail("network", "set", *bad, "blue", cloud=ADMIN)
    assert "must be one of spread, pack, not 'heap'" in said
