"""Ports beside Neutron's: made and bound as Nova binds them, and listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.peers.pairs import WARM_UPS, Work, compare
from benchmarks.peers.services import HERE, Service, a_peer, a_trunkline
from benchmarks.service import wait_for_hosts

VLAN = 150
HOSTS = 4  # Of fleet.toml.
FILL_SECONDS_MAX = 240  # On a busy machine fewer ports are listed, and it says how many.
# Neutron takes these for what Keystone's middleware would have found out. Roles are Nova's own.
HEADERS = {"X-User-Id": "admin", "X-Project-Id": "0" * 32, "X-Roles": "admin,service"}


def measure(home: Path, *, pairs: int, listed: int, lists: int) -> list[dict[str, Any]]:
    """Bind so many ports, make others until there are `listed`, and list those so many times."""
    with (
        a_peer("neutron", home / "neutron", HEADERS) as neutron,
        a_trunkline(home, HERE / "fleet.toml", HEADERS) as trunkline,
    ):
        wait_for_hosts(trunkline.session, HOSTS)
        theirs = Ports(neutron, "/v2.0", _any_vf)
        ours = Ports(trunkline, "/network/v2.0", free_vfs(trunkline))
        bound = compare(
            neutron, trunkline, (theirs.bind_one, ours.bind_one), pairs=pairs, target=50
        )
        made = fill((theirs, ours), listed)
        count = WARM_UPS + bound["pairs"]
        both = (theirs.list_of(made, count), ours.list_of(made, count))
        shown = compare(neutron, trunkline, both, pairs=lists, target=10)
    return [
        {"figure": "port create + bind", "peer": "neutron", **bound},
        {"figure": f"list of {made:,} ports", "peer": "neutron", **shown},
    ]


def fill(sides: Sequence[Ports], count: int) -> int:
    """Make ports until each side has so many, or the time is over; return how many.

    In turn: a connection that rests while the other side works for long would be closed.
    """
    begun, made = perf_counter(), 0
    while made < count and perf_counter() - begun < FILL_SECONDS_MAX:
        (made,) = {side.make_one() for side in sides}
    return made


Vf = tuple[str, str, str]  # Host, PCI address, vendor and product.


def _any_vf(number: int) -> Vf:
    """Neutron knows no devices: it takes every address that it is told."""
    return "h1", f"0000:05:{number // 8 + 1:02x}.{number % 8}", "15b3:1018"


def free_vfs(trunkline: Service) -> Callable[[int], Vf]:
    """Return the VFs that ports are to be bound to: hosts in turn."""
    session, found, marker = trunkline.session, list[Mapping[str, Any]](), ""
    while True:
        page = session.must("GET", f"/trunkline/v1/devices?limit=1000{marker}")["devices"]
        found += page
        if len(page) < 1000:
            break
        marker = f"&marker={page[-1]['id']}"
    vfs = sorted(
        (
            each["vf_index"],
            each["host"],
            each["address"],
            f"{each['vendor_id']}:{each['product_id']}",
        )
        for each in found
        if each["kind"] == "vf" and each["state"] == "free" and each["physical_network"] == "phy1"
    )
    return lambda number: vfs[number][1:]


class Ports:
    """The ports of one service, on one network with a subnet."""

    def __init__(
        self, service: Service, base: str, vf: Callable[[int], Vf], *, vlan: int = VLAN
    ) -> None:
        self._session, self._base, self._vf, self._vlan = service.session, base, vf, vlan
        self._network_id = self._make("network", {
            "name": "blue",
            "provider:network_type": "vlan",
            "provider:physical_network": "phy1",
            "provider:segmentation_id": vlan,
        })["id"]  # fmt: skip
        subnet = {"cidr": "10.0.0.0/16", "ip_version": 4, "enable_dhcp": False}
        self._make("subnet", subnet | {"network_id": self._network_id})
        self._made = 0

    def bind_one(self, number: int) -> float:
        """Make a port, and bind it to a VF, as Nova does; return the seconds of both."""
        host, address, product = self._vf(number)
        begun = perf_counter()
        port = self._make("port", self._wanted(number))
        bound = self._session.must("PUT", f"{self._base}/ports/{port['id']}", {"port": {
            "device_id": f"00000000-0000-4000-8000-{number:012d}",
            "device_owner": "compute:nova",
            "binding:host_id": host,
            "binding:profile": {
                "pci_slot": address,
                "pci_vendor_info": product,
                "physical_network": "phy1",
            },
        }})["port"]  # fmt: skip
        seconds = perf_counter() - begun
        assert bound["binding:vif_type"] == "hw_veb", bound
        assert bound["binding:vif_details"]["vlan"] == str(self._vlan), bound
        assert len(bound["fixed_ips"]) == 1, bound
        self._made += 1
        return seconds

    def make_one(self) -> int:
        """Make a port that is not bound; return how many there are."""
        self._make("port", self._wanted(self._made))
        self._made += 1
        return self._made

    def list_of(self, count: int, bound: int) -> Work:
        """Return the work to list all ports, which are so many."""

        def work(_: int) -> float:
            begun = perf_counter()
            ports = self._session.must("GET", f"{self._base}/ports")["ports"]
            seconds = perf_counter() - begun
            assert len(ports) == count, len(ports)
            assert sum(port["binding:vif_type"] == "hw_veb" for port in ports) == bound
            return seconds

        return work

    def _wanted(self, number: int) -> dict[str, Any]:
        named = {"name": f"p{number}", "binding:vnic_type": "direct"}
        return named | {"network_id": self._network_id}

    def _make(self, what: str, wanted: Mapping[str, Any]) -> Any:
        return self._session.must("POST", f"{self._base}/{what}s", {what: wanted})[what]
