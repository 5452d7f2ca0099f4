"""Fleet files: the shipped ones, and every mistake with its place."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.device_spec import offered
from trunkline.domain.errors import NotFound
from trunkline.domain.numa import NumaNode
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.driver_data import drivers
from trunkline.host.fleet import InvalidFleet, load_fleet, parse_fleet, shipped_fleets
from trunkline.host.simulated_host import SimulatedHost, create_hosts, host_names, open_host

PF = PciAddress.parse("0000:05:00.0")


def fleet_table(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def a_host(**changes: Any) -> dict[str, Any]:
    host: dict[str, Any] = {
        "name": "h1",
        "vcpus": 8,
        "memory_mib": 1024,
        "disk_gib": 10,
        "card": [a_card()],
        "device_spec": [{"address": "0000:05:*.*", "physical_network": "phy1"}],
    }
    return host | changes


def a_card(**changes: Any) -> dict[str, Any]:
    return {"driver": "ixgbe", "address": "0000:05:00.0", "vf_count": 8} | changes


def a_gpu(**changes: Any) -> dict[str, Any]:
    return {"address": "0000:c1:00.0", "vendor_id": "10de", "product_id": "20b0"} | changes


def faults_of(*hosts: dict[str, Any], **table: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidFleet) as invalid:
        parse_fleet({"host": list(hosts), **table})
    return invalid.value.faults


def devices_of(host: SimulatedHost) -> tuple[OfferedDevice, ...]:
    return offered(host.kernel.functions().values(), host.device_specs)


def test_the_scenario_is_six_hosts_of_two_adapters_with_8_vfs_cabled_so_that_it_matters(
    tmp_path: Path,
) -> None:
    fleet = load_fleet(shipped_fleets()["scenario"])
    assert create_hosts(fleet, tmp_path) == 6
    cabling = {}
    used = set()
    for name in fleet.host_names:
        devices = devices_of(open_host(tmp_path, name))
        kinds = Counter(each.function.kind for each in devices)
        assert kinds == {DeviceKind.PF: 2, DeviceKind.VF: 16}
        cabling[name] = {each.physical_network for each in devices}
        used |= {each.function.pf_driver for each in devices}
    both = {"phy1", "phy2"}
    assert cabling == {
        "h1": both, "h2": both, "h3": both, "h4": both, "h5": {"phy1"}, "h6": {"phy2"},
    }  # fmt: skip
    assert {"mlx5_core", "ixgbe", "i40e"} <= used


def test_the_mixed_fleet_is_forty_hosts_with_every_driver(tmp_path: Path) -> None:
    fleet = load_fleet(shipped_fleets()["mixed-40"])
    assert create_hosts(fleet, tmp_path) == 40
    hosts = [open_host(tmp_path, name) for name in fleet.host_names]
    devices = [each.function for host in hosts for each in devices_of(host)]
    assert {each.pf_driver for each in devices if each.kind is not DeviceKind.PLAIN} == set(
        drivers()
    )
    gpus = [each for each in devices if each.kind is DeviceKind.PLAIN]
    assert len(gpus) == 24
    assert {(gpu.vendor_id, gpu.driver) for gpu in gpus} == {("10de", "nvidia")}


def test_the_large_fleet_is_a_thousand_hosts_of_two_pfs_with_64_vfs() -> None:
    fleet = load_fleet(shipped_fleets()["large-1000"])
    assert len(fleet.host_names) == 1000
    for host in fleet.hosts():
        assert [pf.vf_count_at_boot for pf in host.kernel.pfs] == [64, 64]


@pytest.mark.parametrize("name", shipped_fleets())
def test_names_addresses_and_macs_of_a_fleet_are_all_different_and_the_same_each_time(
    name: str,
) -> None:
    fleet = load_fleet(shipped_fleets()[name])
    hosts = list(fleet.hosts())
    macs = [pf.mac for host in hosts for pf in host.kernel.pfs]
    assert len(set(macs)) == len(macs)
    assert not any(mac.is_multicast for mac in macs)
    assert len({host.name for host in hosts}) == len(hosts)
    assert len({host.resources.address for host in hosts}) == len(hosts)
    assert hosts == list(load_fleet(shipped_fleets()[name]).hosts())


def test_a_host_is_made_once_and_keeps_what_was_written_to_it(tmp_path: Path) -> None:
    fleet = parse_fleet({"host": [a_host(name="h{1..3}")]})
    assert create_hosts(fleet, tmp_path) == 3
    open_host(tmp_path, "h2").kernel.set_vf(PF, 0, VfChange(vlan_id=100, vlan_qos=0))
    assert create_hosts(fleet, tmp_path) == 0
    assert open_host(tmp_path, "h2").kernel.vf_settings(PF)[0].vlan_id == 100
    assert open_host(tmp_path, "h1").kernel.vf_settings(PF)[0].vlan_id == 0
    assert host_names(tmp_path) == ("h1", "h2", "h3")


def test_a_host_that_was_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".h1.new").mkdir()
    (tmp_path / ".h1.new" / "kernel.json").write_text("{")
    assert host_names(tmp_path) == ()
    assert create_hosts(parse_fleet({"host": [a_host()]}), tmp_path) == 1
    assert open_host(tmp_path, "h1").kernel.functions()[PF].vf_count == 8


def test_an_unknown_host_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_host(tmp_path, "h9")


def test_an_opened_host_tells_its_resources_and_bridges(tmp_path: Path) -> None:
    create_hosts(parse_fleet({"host": [a_host(bridges={"phy1": "br-phy1"})]}), tmp_path)
    host = open_host(tmp_path, "h1")
    assert (host.resources.vcpus, host.resources.memory_mib) == (8, 1024)
    assert host.resources.bridges == {"phy1": "br-phy1"}
    assert host.kernel.state().bridges == ["br-phy1"]


def a_node(**changes: Any) -> dict[str, Any]:
    return {"number": 0, "cpus": "0-3", "memory_mib": 512} | changes


def test_numa_nodes_are_told_by_the_host_and_known_to_its_kernel(tmp_path: Path) -> None:
    numa = [a_node(socket=1), a_node(number=1, cpus="4-7,12")]
    create_hosts(parse_fleet({"host": [a_host(numa=numa)]}), tmp_path)
    host = open_host(tmp_path, "h1")
    nodes = (
        NumaNode(number=0, socket=1, cpus="0-3", memory_mib=512),
        NumaNode(number=1, cpus="4-7,12", memory_mib=512),
    )
    assert (host.resources.numa_nodes, tuple(host.kernel.state().numa_nodes)) == (nodes, nodes)


@pytest.mark.parametrize(
    ("numa", "fault"),
    [
        ([{"number": 0}], "host[0].numa[0]: object missing required field `cpus`"),
        ([a_node(cpu="1")], "host[0].numa[0]: object contains unknown field `cpu`; known are numb"),
        ([a_node(cpus="all")], "host[0].numa[0]: cpus 'all' is no list of CPUs; write it as 0-7,"),
        ([a_node(cpus="4-1")], "host[0].numa[0]: cpus '4-1' runs backwards"),
        ([a_node(cpus="0-9999")], "host[0].numa[0]: cpus '0-9999' is above 8191, the highest"),
        ([a_node(cpus="0-3,2")], "host[0].numa[0]: cpus '0-3,2' names a CPU of '2' twice"),
        ([a_node(number=-1)], "host[0].numa[0]: number must be from 0 to 1023, not -1"),
        ([a_node(memory_mib=-1)], "host[0].numa[0]: memory_mib must be from 0 to 2147483647, not"),
        ([a_node(socket=-1)], "host[0].numa[0]: socket must be from 0 to 2147483647, not -1"),
        ([a_node(), a_node(cpus="4")], "host[0].numa: NUMA node 0 is there twice"),
        ([a_node(), a_node(number=1)], "host[0].numa: CPU 0 is on NUMA nodes 0 and 1"),
        (
            [a_node(), a_node(number=1, cpus="4", memory_mib=513)],
            "host[0].numa: NUMA nodes have 1025 MiB together, and their host only 1024",
        ),
        (
            [a_node(number=1)],
            "host[0].numa: 0000:05:00.0 is on node 0, which is not there; add it, or correct",
        ),
    ],
)
def test_a_mistake_about_numa_nodes_is_told_with_its_place(
    numa: list[dict[str, Any]], fault: str
) -> None:
    found = faults_of(a_host(numa=numa, card=[a_card(numa_node=0)]))
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"name": "h1"}, ["h1"]),
        ({"name": "h{1..3}"}, ["h1", "h2", "h3"]),
        ({"name": "h{09..11}"}, ["h09", "h10", "h11"]),
        ({"name": "a{7..}.rack", "count": 2}, ["a7.rack", "a8.rack"]),
        ({"name": "h{1..2}", "count": 2}, ["h1", "h2"]),
    ],
)
def test_names_come_from_ranges(changes: dict[str, Any], names: list[str]) -> None:
    assert list(parse_fleet({"host": [a_host(**changes)]}).host_names) == names


@pytest.mark.parametrize("driver", drivers())
def test_both_pfs_of_a_card_have_room_for_the_most_vfs_they_can_have(driver: str) -> None:
    known = drivers()[driver]
    for product in known.products:
        card = a_card(
            driver=driver,
            product_id=product.product_id,
            pf_count=known.pf_count_max,
            vf_count=product.vf_count_max,
        )
        (host,) = parse_fleet({"host": [a_host(card=[card])]}).hosts()
        assert len(host.kernel.pfs) == known.pf_count_max
        above = a_card(driver=driver, product_id=product.product_id, vf_count=999)
        (fault,) = faults_of(a_host(card=[above]))
        assert fault == (
            f"host[0].card[0].vf_count: 999 is above the limit of {product.vf_count_max} for"
            f" {driver} cards ({product.name}); lower it"
        )


@pytest.mark.parametrize(
    ("hosts", "fault"),
    [
        ([], "host: there is none; add a [[host]] table"),
        ([a_host(vcpus="8")], "host[0].vcpus: expected `int`, got `str`"),
        ([a_host(vcpu=8)], "host[0]: object contains unknown field `vcpu`; known are name, vcpus"),
        ([{"name": "h1"}], "host[0]: object missing required field `vcpus`"),
        ([a_host(vcpus=-1)], "host[0].vcpus: -1 is negative"),
        ([a_host(disk_gib=2**31)], "host[0].disk_gib: 2147483648 is more than 2147483647; write"),
        ([a_host(name="H1")], "host[0].name: 'H1' is not a host name; use a-z"),
        ([a_host(name="../h1")], "host[0].name: '../h1' is not a host name; use a-z"),
        ([a_host(name="h1", count=3)], "host[0].name: 3 hosts can't all be 'h1'; write name ="),
        ([a_host(name="h{1..}")], "host[0].count: missing; 'h{1..}' has no end without it"),
        ([a_host(name="h{1..}", count=0)], "host[0].count: 0 is not between 1 and 20000"),
        ([a_host(name="h{4..1}")], "host[0].name: 'h{4..1}' is not 1 to 20000 hosts"),
        ([a_host(name="h{1..99999999}")], "host[0].name: 'h{1..99999999}' is not 1 to 20000"),
        ([a_host(name="h{1..2}-{1..2}")], "host[0].name: 'h{1..2}-{1..2}' has several ranges"),
        ([a_host(name="h{1..4}", count=5)], "host[0].count: 5, but 'h{1..4}' names 4; remove"),
        ([a_host(), a_host(name="h{1..2}")], "host[1].name: h1 is in host[0] already; rename one"),
        (
            [a_host(), a_host(name="h2", card=[a_card(vf_count=200)])],
            "host[1].card[0].vf_count: 200 is above the limit of 63 for ixgbe cards (82599ES);",
        ),
        (
            [a_host(card=[a_card(vf_count=8, vf_count_max=4)])],
            "host[0].card[0].vf_count: 8 is above the limit of 4 for this card's vf_count_max",
        ),
        ([a_host(card=[a_card(vf_count_max=64)])], "host[0].card[0].vf_count_max: 64 is not betw"),
        ([a_host(card=[a_card(vf_count=-1)])], "host[0].card[0].vf_count: -1 is negative"),
        ([a_host(card=[a_card(vf_count="8")])], "host[0].card[0].vf_count: expected `int`, got"),
        ([a_host(card=[a_card(driver="e1000")])], "host[0].card[0].driver: 'e1000' is unknown;"),
        (
            [a_host(card=[a_card(product_id="1017")])],
            "host[0].card[0].product_id: '1017' is no ixgbe card; known are 10fb (82599ES),",
        ),
        ([a_host(card=[a_card(pf_count=3)])], "host[0].card[0].pf_count: 3 is not between 1 and 2"),
        ([a_host(card=[a_card(pf_count=0)])], "host[0].card[0].pf_count: 0 is not between 1 and 2"),
        ([a_host(card=[a_card(address="05:00.0")])], "host[0].card[0].address: not a whole PCI"),
        (
            [a_host(card=[a_card(address="0000:05:00.1")])],
            "host[0].card[0].address: 0000:05:00.1 is not the first function of a bus;",
        ),
        (
            [a_host(card=[a_card(driver="ice", pf_count=2, address="0000:ff:00.0")])],
            "host[0].card[0].address: VF 127 of 0000:ff:00.1 would lie past bus 0xff",
        ),
        (
            [a_host(card=[a_card(double_vlan=True)])],
            "host[0].card[0].double_vlan: ixgbe has no 802.1ad, whatever the firmware",
        ),
        ([a_host(card=[a_card(speed_mbps=0)])], "host[0].card[0].speed_mbps: 0 is not above 0"),
        ([a_host(card=[a_card(numa_node=-1)])], "host[0].card[0].numa_node: -1 is not between"),
        ([a_host(card=[a_card(ifname="ens{0..1}")])], "ifname: 'ens{0..1}' is 2 name(s) for 1 PF"),
        ([a_host(card=[a_card(ifname="a-name-too-long")])], "would be longer than 15 bytes"),
        ([a_host(card=[a_card(ifname="et h2")])], "ifname: 'et h2' is not a netdev's name"),
        ([a_host(card=[a_card(mac="nonsense")])], "host[0].card[0].mac: not a MAC address"),
        ([a_host(card=[a_card(mac="01:00:00:00:00:01")])], "mac: 01:00:00:00:00:01 is no card's"),
        (
            [a_host(name="h{1..2}", card=[a_card(mac="02:00:00:00:00:01")])],
            "host[0].card[0].mac: the same for 2 hosts; use mac_prefix instead",
        ),
        ([a_host(card=[a_card(mac_prefix="01:00:00")])], "mac_prefix: '01:00:00' is not the first"),
        (
            [
                a_host(card=[a_card(mac="02:00:00:00:00:01")]),
                a_host(name="h2", card=[a_card(mac="02:00:00:00:00:01")]),
            ],
            "card.mac: 02:00:00:00:00:01 is PF 0000:05:00.0 of h2 and 0000:05:00.0 of h1; change",
        ),
        (
            [a_host(card=[a_card(), a_card(ifname="eth3")])],
            "host[0].card[1].address: 0000:05:00.0 is a function of host[0].card[0] already;",
        ),
        (
            [
                a_host(
                    card=[
                        a_card(driver="ice", pf_count=2),
                        a_card(driver="mlx5_core", address="0000:06:00.0"),
                    ]
                )
            ],
            "host[0].card[1].address: 0000:06:00.0 is a function of host[0].card[0] already;",
        ),
        (
            [
                a_host(
                    card=[a_card(ifname="eth2"), a_card(ifname="eth2", address="0000:82:00.0")],
                )
            ],
            "host[0].card[1].ifname: eth2 is host[0].card[0]'s already; choose another",
        ),
        (
            [a_host(bridges={"phy1": "eth2"}, card=[a_card(ifname="eth2")])],
            "host[0].card[0].ifname: eth2 is a bridge's already; choose another",
        ),
        ([a_host(function=[a_gpu(address="c1:00.0")])], "function[0].address: not a whole PCI"),
        ([a_host(function=[a_gpu(vendor_id="x")])], "host[0].function[0].vendor_id: not a PCI"),
        ([a_host(function=[a_gpu(numa_node=-1)])], "function[0].numa_node: -1 is not between"),
        ([a_host(function=[a_gpu(colour="red")])], "host[0].function[0]: object contains unknown"),
        (
            [a_host(function=[a_gpu(), a_gpu()])],
            "host[0].function[1].address: 0000:c1:00.0 is taken; choose another",
        ),
        (
            [a_host(card=[a_card()], function=[a_gpu(address="0000:05:10.0")])],
            "host[0].function[0].address: 0000:05:10.0 is taken; choose another",
        ),
        (
            [a_host(device_spec=[{"address": "05:00.0"}])],
            "host[0].device_spec[0].address: not a whole PCI address: '05:00.0'",
        ),
        (
            [a_host(device_spec=[{"address": "0000:06:*.*"}])],
            "host[0].device_spec[0]: matches no function of these hosts; correct or remove it",
        ),
        (
            [
                a_host(
                    device_spec=[
                        {"product_id": "10ed", "physical_network": "phy2"},
                        {"product_id": "10fb", "physical_network": "phy1"},
                    ]
                )
            ],
            "host[0].device_spec: PF 0000:05:00.0 is on physical network phy1, and its VF",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(hosts: list[dict[str, Any]], fault: str) -> None:
    faults = faults_of(*hosts)
    assert len(faults) == 1
    assert fault in faults[0]


def test_all_mistakes_are_told_at_once() -> None:
    faults = faults_of(
        a_host(card=[a_card(vf_count=99), a_card(driver="x")]),
        a_host(name="H"),
        cards=[],
    )
    assert [fault.split(":")[0] for fault in faults] == [
        "cards",
        "host[0].card[0].vf_count",
        "host[0].card[1].driver",
        "host[1].name",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[[host]\n", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        (b"a = " + b"[" * 100_000, "not TOML"),
        (b"#" * (1 << 21), "larger than"),
        (b"", "there is none"),
    ],
)
def test_a_file_that_is_no_fleet_is_told_by_its_name(
    content: bytes, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidFleet, match=r"fleet\.toml") as invalid:
        load_fleet(path)
    assert fault in invalid.value.faults[0]


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidFleet, match=r"none\.toml: No such file"):
        load_fleet(tmp_path / "none.toml")
