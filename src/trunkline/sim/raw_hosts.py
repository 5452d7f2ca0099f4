"""The simulated hosts as their raw files show them. For the auditor: standard library only.

Reads the fleet file (what is cabled to what) and each host's `kernel.json`, `hypervisor.json` and
logs. Knows their format, and nothing of the code that writes them.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ZERO_MAC: Final = "00:00:00:00:00:00"
# Whether a driver's VFs start with spoof check on; the others' do.
_SPOOF_CHECK_OFF: Final = frozenset({"mlx4_core", "mlx5_core", "bnxt_en"})


@dataclass(frozen=True)
class RawVf:
    """One VF: where it is, and what its PF holds for it."""

    host: str
    pf: str
    index: int
    address: str
    physical_network: str
    driver: str
    default_ifname: str
    record: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Name it for a message."""
        return f"{self.host} {self.address} (VF {self.index} of {self.pf})"

    @property
    def mac(self) -> str:
        """The MAC set through the PF."""
        return str(self.record.get("mac", ZERO_MAC))

    @property
    def vlan_id(self) -> int:
        """The VLAN that its frames are tagged with; 0: none."""
        return int(self.record.get("vlan_id", 0))

    @property
    def vlan_protocol(self) -> str:
        """Of which kind that tag is."""
        return str(self.record.get("vlan_protocol", "802.1Q"))

    @property
    def spoof_check(self) -> bool:
        """Whether frames with another source MAC are dropped."""
        written = self.record.get("spoof_check")
        return self.driver not in _SPOOF_CHECK_OFF if written is None else bool(written)

    def not_original(self) -> list[str]:
        """Say what of it is not as when its PF made it."""
        fresh = {
            "mac": ZERO_MAC,
            "vlan_id": 0,
            "vlan_qos": 0,
            "vlan_protocol": "802.1Q",
            "trust": False,
            "link_state": "auto",
            "min_tx_rate_mbps": 0,
            "max_tx_rate_mbps": 0,
            "in_guest": False,
            "macvtap": "",
        }
        wrong = [
            f"{key} is {self.record[key]}"
            for key, value in fresh.items()
            if self.record.get(key, value) != value
        ]
        if self.spoof_check == (self.driver in _SPOOF_CHECK_OFF):
            wrong.append(f"spoof_check is {self.spoof_check}")
        if self.record.get("ifname", "") not in ("", self.default_ifname):
            wrong.append(f"its netdev is {self.record['ifname']}")
        return wrong


@dataclass(frozen=True)
class RawTap:
    """A NIC on a bridge, and what the kernel has of it."""

    mac: str
    bridge: str  # As the guest's definition names it.
    ifname: str
    port: Mapping[str, Any] | None  # None: there is no such port.
    uplinks: tuple[Mapping[str, Any], ...]  # Ports of its bridge that lead out.

    def wrong_for(self, vlan_id: int) -> str:
        """Say what keeps it from being in this VLAN alone, or in the untagged one (0)."""
        if self.port is None or self.port["bridge"] != self.bridge:
            return f"is no port of {self.bridge}"
        vlans = self.port.get("vlans", {})
        if vlans != {str(vlan_id or 1): True} or self.port.get("pvid", 0) != (vlan_id or 1):
            return f"has VLANs {vlans} and PVID {self.port.get('pvid', 0)}, not {vlan_id or 1}"
        for uplink in self.uplinks:
            if vlan_id and uplink.get("vlans", {}).get(str(vlan_id)) is not False:
                return f"is in VLAN {vlan_id}, which {uplink['ifname']} does not carry tagged"
        return ""


@dataclass(frozen=True)
class RawGuest:
    """A guest process: running, or paused."""

    server_id: str
    host: str
    runs: bool  # Its processors do: it can send.
    disk_number: int  # As its domain has it.
    vfs: frozenset[tuple[str, int]]  # PF address and VF index.
    pfs: frozenset[str]
    taps: tuple[RawTap, ...]
    nodes: frozenset[int]  # Whose memory it has; empty: of any.
    cpus: str  # On which its vCPUs run; empty: on any.

    @property
    def nic_count(self) -> int:
        """How many NICs it has."""
        return len(self.vfs) + len(self.pfs) + len(self.taps)


@dataclass(frozen=True)
class RawNode:
    """One NUMA node of a host."""

    socket: int
    cpus: str  # As Linux writes lists of CPUs: "0-7,16-23".
    memory_mib: int

    @property
    def vcpus(self) -> int:
        """How many CPUs it has."""
        ends = [part.split("-") for part in self.cpus.split(",") if part]
        return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


@dataclass
class RawHost:
    """One host, read anew when its files have changed."""

    name: str
    directory: Path
    bridges: Mapping[str, str]  # By physical network.
    cabling: Mapping[str, str]  # Physical network by PF address.
    guaranteeable: Mapping[str, int]  # Egress in Mbit/s by PF address, of those that account it.
    pooled: frozenset[str]  # PFs whose VFs libvirt hands out, which ones it pleases.
    vcpus: int
    memory_mib: int
    nodes: dict[int, RawNode] = field(default_factory=dict)
    pfs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()  # PFs whose driver says that it can't work.
    ports: list[Mapping[str, Any]] = field(default_factory=list)  # Of its bridges.
    vfs: dict[tuple[str, int], RawVf] = field(default_factory=dict)
    guests: dict[str, RawGuest] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    _seen: tuple[bytes, bytes] = (b"", b"")

    def __post_init__(self) -> None:
        """Name its files: they are read after each thing that happens."""
        self._kernel = str(self.directory / "kernel.json")
        self._hypervisor = str(self.directory / "hypervisor.json")

    def vlans_for_nobody(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the uplinks that carry VLANs of no guest's tap, and which; 1 they had before."""
        used = {
            (tap.bridge, str(tap.port.get("pvid", 0)))
            for guest in self.guests.values()
            for tap in guest.taps
            if tap.port is not None
        }
        for port in self.ports:
            vlans = [vlan for vlan in port.get("vlans", {}) if vlan != "1"]
            left = [vlan for vlan in vlans if (port["bridge"], vlan) not in used]
            if port.get("is_uplink") and left:
                yield port["ifname"], left

    def read(self) -> bool:
        """Look again; say whether anything has changed."""
        files = (_bytes(self._kernel), _bytes(self._hypervisor))
        if files == self._seen:
            return False
        self._seen = files
        kernel, hypervisor = json.loads(files[0]), json.loads(files[1])
        self.nodes = {
            node["number"]: RawNode(node["socket"], node["cpus"], node["memory_mib"])
            for node in kernel["numa_nodes"]
        }
        self.ports = kernel.get("ports", [])
        self.broken = frozenset(
            fault["pf"] for fault in kernel.get("faults", []) if fault["fault"] == "pf-broken"
        )
        self.pfs = {pf["address"]: pf for pf in kernel["pfs"]}
        self.vfs = {(vf.pf, vf.index): vf for pf in kernel["pfs"] for vf in self._vfs_of(pf)}
        records = hypervisor.get("domains", {})
        self.domains = set(records)
        self.guests = {
            server_id: self._guest(server_id, record)
            for server_id, record in records.items()
            if record.get("guest") is not None
        }
        return True

    def is_out_of_service(self, pf: str) -> bool:
        """Whether a PF's cable is out, or its driver broken."""
        return pf in self.broken or not self.pfs[pf].get("link_up", True)

    def over_guaranteed(self) -> list[str]:
        """Name each PF whose card guarantees more to its VFs than the PF may."""
        found = []
        for address, pf in self.pfs.items():
            total = sum(int(vf.get("min_tx_rate_mbps", 0)) for vf in pf.get("vfs", []))
            most = self.guaranteeable.get(address, 0)
            if total > most:
                found.append(f"{self.name} {address} guarantees {total} Mbps of {most}")
        return found

    def writes(self, log: str) -> list[str]:
        """List every attempted write in a log, oldest first."""
        entries = map(json.loads, (self.directory / log).read_bytes().splitlines())
        return [f"{each['by']}: {each['command']}: {each['result']}" for each in entries]

    def _vfs_of(self, pf: Mapping[str, Any]) -> Iterator[RawVf]:
        for index, record in enumerate(pf.get("vfs", [])):
            yield RawVf(
                host=self.name,
                pf=pf["address"],
                index=index,
                address=_vf_address(pf["address"], pf["vf_offset"] + pf["vf_stride"] * index),
                physical_network=self.cabling.get(pf["address"], ""),
                driver=pf["driver"],
                default_ifname=f"{pf['ifname']}v{index}",
                record=record,
            )

    def _guest(self, server_id: str, record: Mapping[str, Any]) -> RawGuest:
        given = record["guest"]["handed_over"]
        pfs = frozenset(address for address in given["own_drivers"] if address in self.pfs)
        at = {vf.address: key for key, vf in self.vfs.items()}
        vfs = {at[address] for address in given["own_drivers"] if address in at}
        vfs |= {(each["pf"], each["vf_index"]) for each in given["interfaces"]}
        vfs |= {(each["vf"]["pf"], each["vf"]["vf_index"]) for each in given["macvtaps"]}
        xml = ET.fromstring(record["xml"])  # noqa: S314 - its own files
        memory, vcpu = xml.find("numatune/memory"), xml.find("vcpu")
        return RawGuest(
            server_id=server_id,
            host=self.name,
            runs=record.get("power") == "running",
            disk_number=int(_server_element(xml).get("disk-number", "1")),
            vfs=frozenset(vfs),
            pfs=pfs,
            taps=tuple(_taps(xml, self.ports)),
            nodes=frozenset() if memory is None else _numbers(memory.get("nodeset", "")),
            cpus="" if vcpu is None else vcpu.get("cpuset", ""),
        )


def _server_element(xml: ET.Element) -> ET.Element:
    """Return the element by which a domain is known as a server's."""
    (element,) = xml.findall("metadata/*")
    return element


def _numbers(nodeset: str) -> frozenset[int]:
    return frozenset(int(part) for part in nodeset.split(",") if part)


def _taps(xml: ET.Element, ports: list[Mapping[str, Any]]) -> Iterator[RawTap]:
    for interface in xml.findall("./devices/interface[@type='bridge']"):
        mac, source, target = (interface.find(tag) for tag in ("mac", "source", "target"))
        bridge = "" if source is None else source.get("bridge", "")
        ifname = "" if target is None else target.get("dev", "")
        yield RawTap(
            mac="" if mac is None else mac.get("address", ""),
            bridge=bridge,
            ifname=ifname,
            port=next((each for each in ports if each["ifname"] == ifname), None),
            uplinks=tuple(
                each for each in ports if each["bridge"] == bridge and each.get("is_uplink")
            ),
        )


def _vf_address(pf: str, away: int) -> str:
    """Add to a PCI routing ID: bus, device and function are one number of 16 bits."""
    domain, bus, device, function = (int(part, 16) for part in re.split("[:.]", pf))
    routing_id = (bus << 8 | device << 3 | function) + away
    return f"{domain:04x}:{routing_id >> 8:02x}:{routing_id >> 3 & 31:02x}.{routing_id & 7}"


def read_fleet(fleet_file: Path, hosts_directory: Path) -> dict[str, RawHost]:
    """Read which hosts there are, and to which physical network each PF is cabled."""
    table = tomllib.loads(fleet_file.read_text())
    found = {}
    for entry in table["host"]:
        specs = entry.get("device_spec", [])
        cabling = {
            card["address"]: spec["physical_network"]
            for card in entry["card"]
            for spec in reversed(specs)  # The first that matches wins.
            if _matches(spec["address"], card["address"])
        }
        guaranteeable = {
            card["address"]: spec["egress_mbps"]
            for card in entry["card"]
            for spec in reversed(specs)
            if "egress_mbps" in spec and _matches(spec["address"], card["address"])
        }
        pooled = frozenset(
            card["address"]
            for card in entry["card"]
            for spec in specs
            if "network_pool" in spec and _matches(spec["address"], card["address"])
        )
        for name in _names(entry["name"]):
            found[name] = RawHost(
                name=name,
                directory=hosts_directory / name,
                bridges=entry.get("bridges", {}),
                cabling=cabling,
                guaranteeable=guaranteeable,
                pooled=pooled,
                vcpus=entry["vcpus"],
                memory_mib=entry["memory_mib"],
            )
    return found


def _matches(pattern: str | Mapping[str, str], address: str) -> bool:
    if isinstance(pattern, str):
        return fnmatch.fnmatchcase(address, pattern)
    return re.fullmatch(pattern["bus"], address.split(":")[1]) is not None


def _names(text: str) -> list[str]:
    found = re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}(.*)", text)
    if found is None:
        return [text]
    head, first, last, tail = found.groups()
    return [f"{head}{number}{tail}" for number in range(int(first), int(last) + 1)]


def _bytes(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the path is text for speed
        return file.readall()
