"""The unmodified `openstack` command and openstacksdk against the network face, over TCP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.clock import a_clock_for_clients
from tests.support.http_app import Site, a_site, served, write_clouds
from tests.support.world import AgentByHand, a_card


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose clouds.yaml leads to a control plane with one host, h1."""
    directory = tmp_path_factory.mktemp("clouds")
    with a_site(directory, clock=a_clock_for_clients()) as site, served(site.app) as url:
        _add_host(site)
        write_clouds(directory, url, site.passwords)
        yield directory


def _add_host(site: Site) -> None:
    AgentByHand(site.svc, "h1", [*a_card(5, "phy1"), *a_card(6, "phy2")])


class Command:
    """`openstack … -f json` as one of the two users."""

    def __init__(self, openstack: OpenStack, clouds: Path, cloud: str) -> None:
        self._openstack = openstack
        self._clouds = clouds
        self._cloud = cloud

    def __call__(self, *args: str) -> Any:
        said = self._openstack(
            self._clouds, *args, "-f", "json", cloud=self._cloud, check=True
        ).stdout
        return json.loads(said)

    def quietly(self, *args: str) -> None:
        """For commands that print nothing."""
        self._openstack(self._clouds, *args, cloud=self._cloud, check=True)

    def refused(self, *args: str) -> str:
        done = self._openstack(self._clouds, *args, cloud=self._cloud)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture
def admin(openstack: OpenStack, clouds: Path) -> Command:
    return Command(openstack, clouds, "trunkline")


@pytest.fixture
def demo(openstack: OpenStack, clouds: Path) -> Command:
    return Command(openstack, clouds, "trunkline-demo")


def vlan(physical_network: str, vlan_id: int) -> list[str]:
    return [
        "--provider-network-type", "vlan",
        "--provider-physical-network", physical_network,
        "--provider-segment", str(vlan_id),
    ]  # fmt: skip


def test_the_command_manages_networks_with_provider_attributes(admin: Command) -> None:
    made = admin("network", "create", "blue", *vlan("phy1", 150))
    assert made["provider:segmentation_id"] == 150
    assert admin("network", "show", "blue")["provider:physical_network"] == "phy1"
    listed = admin("network", "list", "--long", "--name", "blue")
    assert [(row["Name"], row["Network Type"]) for row in listed] == [("blue", "vlan")]
    assert admin("network", "list", "--provider-segment", "150")[0]["ID"] == made["id"]
    admin.quietly(
        "network", "set", "blue", "--name", "green", "--description", "d", "--mtu", "1400",
        "--provider-segment", "151", "--disable", "--share",
    )  # fmt: skip
    shown = admin("network", "show", "green")
    assert (shown["provider:segmentation_id"], shown["mtu"], shown["shared"]) == (151, 1400, True)
    assert not shown["admin_state_up"]
    assert "vlan 151 on phy1" in admin.refused("network", "create", "red", *vlan("phy1", 151))
    assert "4095" in admin.refused("network", "create", "red", *vlan("phy1", 4095))
    assert "phy9" in admin.refused("network", "create", "red", *vlan("phy9", 5))
    admin.quietly("network", "delete", "green")
    assert "No Network found" in admin.refused("network", "show", "green")


def test_the_command_makes_qinq_networks(admin: Command) -> None:
    made = admin("network", "create", "outer", "--qinq-vlan", *vlan("phy1", 152))
    assert made["is_vlan_qinq"] is True
    assert admin("network", "show", "outer")["is_vlan_qinq"] is True
    assert admin("network", "create", "inner", "--no-qinq-vlan")["is_vlan_qinq"] is False
    port = admin("port", "create", "--network", "outer", "p1")
    assert port["binding_vnic_type"] == "direct"
    told = admin.refused("port", "create", "--network", "outer", "--vnic-type", "macvtap", "p2")
    assert "use a port of type direct" in told
    both = ("--qinq-vlan", "--transparent-vlan")
    assert "can not be both enabled" in admin.refused("network", "create", "both", *both)
    admin.quietly("port", "delete", "p1")
    admin.quietly("network", "delete", "outer", "inner")


def test_the_command_manages_subnets(demo: Command) -> None:
    demo("network", "create", "lan")
    made = demo(
        "subnet", "create", "s", "--network", "lan", "--subnet-range", "10.0.0.0/24",
        "--dns-nameserver", "192.0.2.53",
        "--host-route", "destination=192.0.2.0/24,gateway=10.0.0.3",
        "--allocation-pool", "start=10.0.0.10,end=10.0.0.20",
    )  # fmt: skip
    assert made["gateway_ip"] == "10.0.0.1"
    assert [row["Subnet"] for row in demo("subnet", "list", "--network", "lan")] == ["10.0.0.0/24"]
    demo.quietly("subnet", "set", "s", "--name", "t", "--no-dns-nameservers", "--gateway", "none")
    shown = demo("subnet", "show", "t")
    assert (shown["dns_nameservers"], shown["gateway_ip"]) == ([], None)
    assert shown["allocation_pools"] == [{"start": "10.0.0.10", "end": "10.0.0.20"}]
    assert "overlaps" in demo.refused(
        "subnet", "create", "u", "--network", "lan", "--subnet-range", "10.0.0.0/16"
    )
    demo.quietly("subnet", "delete", "t")
    demo.quietly("network", "delete", "lan")


def test_the_command_manages_ports_of_every_vnic_type(admin: Command, demo: Command) -> None:
    demo("network", "create", "pnet")
    demo("subnet", "create", "ps", "--network", "pnet", "--subnet-range", "10.0.0.0/24")
    for vnic_type in ("direct", "macvtap", "direct-physical", "normal"):
        made = demo(
            "port", "create", vnic_type, "--network", "pnet", "--vnic-type", vnic_type,
        )  # fmt: skip
        assert made["binding_vnic_type"] == vnic_type
        assert made["binding_host_id"] is None
    listed = demo("port", "list", "--network", "pnet", "--sort-column", "Name")
    assert [row["Name"] for row in listed] == ["direct", "direct-physical", "macvtap", "normal"]
    assert {row["Status"] for row in listed} == {"DOWN"}
    demo.quietly(
        "port", "set", "normal", "--name", "plain", "--fixed-ip", "ip-address=10.0.0.99",
        "--vnic-type", "macvtap", "--description", "d",
    )  # fmt: skip
    shown = demo("port", "show", "plain")
    assert (shown["binding_vnic_type"], shown["description"]) == ("macvtap", "d")
    assert "10.0.0.99" in [ip["ip_address"] for ip in shown["fixed_ips"]]
    admin.quietly(
        "port", "set", "direct", "--host", "h1", "--binding-profile", "pci_slot=0000:05:02.0",
        "--binding-profile", "card=left",
    )  # fmt: skip
    bound = admin("port", "show", "direct")
    assert bound["binding_host_id"] == "h1"
    assert bound["binding_profile"]["pci_slot"] == "0000:05:02.0"
    assert bound["binding_profile"]["physical_network"] == "phy1"
    assert bound["binding_vif_details"]["device_name"].startswith("tl")
    assert "vDPA" in demo.refused("port", "create", "v", "--network", "pnet", "--vnic-type", "vdpa")
    assert "create_port:binding:profile" in demo.refused(
        "port", "create", "v", "--network", "pnet", "--binding-profile", "pci_slot=0000:05:02.1"
    )
    assert "in use" in demo.refused("network", "delete", "pnet")
    demo.quietly("port", "delete", "direct", "macvtap", "direct-physical", "plain")
    demo.quietly("network", "delete", "pnet")


def test_the_command_lists_agents_and_extensions(admin: Command, demo: Command) -> None:
    (agent,) = admin("network", "agent", "list")
    assert (agent["Host"], agent["Agent Type"], agent["Alive"]) == ("h1", "NIC Switch agent", True)
    assert admin("network", "agent", "show", agent["ID"])["binary"] == "trunkline-agent"
    assert demo("network", "agent", "list") == []
    listed = demo("extension", "list", "--network")
    assert "binding" in [extension["Alias"] for extension in listed]


SDK = """
import json
import openstack
cloud = openstack.connect()
network = cloud.network.create_network(
    name="sdk", provider_network_type="vlan", provider_physical_network="phy2",
    provider_segmentation_id=207,
)
subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
ports = [
    cloud.network.create_port(network_id=network.id, name=f"p{n}", binding_vnic_type="direct")
    for n in range(5)
]
found = cloud.network.find_port("p3")
changed = cloud.network.update_port(found, name="q3", binding_profile={"trusted": "true"})
name = changed.name
try:
    cloud.network.update_port(changed, if_revision=0, name="stale")
    stale = "taken"
except openstack.exceptions.PreconditionFailedException:
    stale = "refused"
pages = [port.name for port in cloud.network.ports(network_id=network.id, limit=2)]
try:
    cloud.network.create_port(network_id=network.id, mac_address="nonsense")
    bad = "taken"
except openstack.exceptions.BadRequestException as problem:
    bad = str(problem)
for port in cloud.network.ports(network_id=network.id):
    cloud.network.delete_port(port, ignore_missing=False)
cloud.network.delete_subnet(subnet, ignore_missing=False)
segments = [segment.segmentation_id for segment in cloud.network.segments(network_id=network.id)]
cloud.network.delete_network(network, ignore_missing=False)
print(json.dumps({
    "vlan": network.provider_segmentation_id,
    "ip": ports[0].fixed_ips[0]["ip_address"],
    "name": name,
    "profile": changed.binding_profile,
    "stale": stale,
    "pages": sorted(pages),
    "bad": bad,
    "segments": segments,
    "agents": [agent.host for agent in cloud.network.agents()],
    "left": [each.name for each in cloud.network.networks(name="sdk")],
}))
"""


def test_the_sdk_manages_all_of_it(
    run_with_sdk: Callable[..., CompletedProcess[str]], clouds: Path
) -> None:
    done = run_with_sdk(clouds, SDK)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "mac_address" in said.pop("bad")
    assert said == {
        "vlan": 207,
        "ip": "10.1.0.2",
        "name": "q3",
        "profile": {"trusted": "true"},
        "stale": "refused",
        "pages": ["p0", "p1", "p2", "p4", "q3"],
        "segments": [207],
        "agents": ["h1"],
        "left": [],
    }
