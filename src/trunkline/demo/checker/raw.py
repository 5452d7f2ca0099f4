"""The raw files of the simulated machines: fleet, kernels, libvirts, and logs of writes."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NO_MAC: Final = "00:00:00:00:00:00"
# PF drivers that make VFs with spoof check off; those of Intel's cards make them with it on.
SPOOF_CHECK_OFF: Final = frozenset({"mlx5_core", "mlx4_core", "bnxt_en"})
Raw = dict[str, Any]


@dataclass(frozen=True)
class Vf:
    """One VF of one card."""

    host: str
    pf: Raw
    index: int

    @property
    def record(self) -> Raw:
        """What the card holds for it; what was never written is left out."""
        found: Raw = self.pf["vfs"][self.index]
        return found

    @property
    def address(self) -> str:
        """Its PCI address: so many routing IDs after its PF's."""
        domain, bus, slot, function = (int(n, 16) for n in re.split("[:.]", self.pf["address"]))
        at = bus << 8 | slot << 3 | function
        at += self.pf["vf_offset"] + self.pf["vf_stride"] * self.index
        return f"{domain:04x}:{at >> 8:02x}:{at >> 3 & 31:02x}.{at & 7}"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"host {self.host}, {card_name(self.pf)}, VF {self.index} ({self.address})"

    def settings(self) -> Raw:
        """All of its settings, with what a new VF has where nothing was written."""
        new = {
            "mac": NO_MAC, "own_mac": NO_MAC, "vlan_id": 0, "vlan_qos": 0, "trust": False,
            "link_state": "auto", "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0,
            "in_guest": False, "macvtap": "",
        }  # fmt: skip
        found = {**new, **self.record}
        found["ifname"] = found.get("ifname") or f"{self.pf['ifname']}v{self.index}"
        if found.get("spoof_check") is None:
            found["spoof_check"] = self.pf["driver"] not in SPOOF_CHECK_OFF
        return found


@dataclass
class Host:
    """One simulated host, as its files are now."""

    name: str
    kernel: Raw
    hypervisor: Raw
    kernel_log: list[Raw]
    hypervisor_log: list[Raw]
    cabling: dict[str, str] = field(default_factory=dict)  # Physical network by PF address.

    @property
    def pfs(self) -> dict[str, Raw]:
        """Cards by PCI address."""
        return {pf["address"]: pf for pf in self.kernel["pfs"]}

    def vfs(self) -> Iterator[Vf]:
        """Every VF."""
        for pf in self.kernel["pfs"]:
            for index in range(len(pf.get("vfs", []))):
                yield Vf(self.name, pf, index)

    def find_vf(self, address: str) -> Vf | None:
        """The VF at a PCI address."""
        return next((vf for vf in self.vfs() if vf.address == address), None)

    def domains(self) -> dict[str, Raw]:
        """The domains of libvirt by server ID."""
        found: dict[str, Raw] = self.hypervisor.get("domains", {})
        return found

    def macs_of(self, server: str) -> list[str]:
        """The MACs in a guest's XML, and of the whole cards given to it."""
        record = self.domains()[server]
        tree = ET.fromstring(record["xml"])  # noqa: S314 - written by the program under test
        macs = [mac.get("address", "") for mac in tree.findall("./devices/interface/mac")]
        given = devices_of(record)
        return sorted(macs + [pf["mac"] for at, pf in self.pfs.items() if at in given])


class World:
    """All hosts."""

    def __init__(self, directory: Path) -> None:
        self.hosts = {
            path.name: Host(
                path.name,
                json.loads((path / "kernel.json").read_text()),
                json.loads((path / "hypervisor.json").read_text()),
                _log(path / "kernel.log"),
                _log(path / "hypervisor.log"),
            )
            for path in sorted((directory / "hosts").iterdir())
            if not path.name.startswith(".")
        }
        _read_cabling(directory / "fleet.toml", self.hosts)

    def host(self, name: str) -> Host:
        """One host; a claim about a host that is not there is false."""
        if name not in self.hosts:
            raise Untrue(f"there is no host {name}")
        return self.hosts[name]


class Untrue(Exception):
    """A claim does not hold; says what was expected and what was found."""


def card_name(pf: Raw) -> str:
    """Name a card for people."""
    return f"card {pf['ifname']} ({pf['address']})"


def vlan_name(vlan: int) -> str:
    """Name a VLAN for people."""
    return f"VLAN {vlan}" if vlan else "no VLAN"


def devices_of(record: Raw) -> set[str]:
    """Every PCI function, and the netdev of every macvtap, that a running guest has."""
    guest = record.get("guest")
    if guest is None:
        return set()
    given = guest["handed_over"]
    return set(given["own_drivers"]) | {macvtap_place(each) for each in given["macvtaps"]}


def macvtap_place(macvtap: Raw) -> str:
    return f"{macvtap['vf']['pf']} VF {macvtap['vf']['vf_index']}"


def _log(path: Path) -> list[Raw]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _read_cabling(fleet_file: Path, hosts: dict[str, Host]) -> None:
    for entry in tomllib.loads(fleet_file.read_text())["host"]:
        pattern = re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}", entry["name"])
        first, last = (int(pattern[2]), int(pattern[3])) if pattern else (0, 0)
        names = [f"{pattern[1]}{n}" for n in range(first, last + 1)] if pattern else [entry["name"]]
        for card in entry["card"]:
            means = (s for s in entry["device_spec"] if _matches(s["address"], card["address"]))
            spec = next(means, None)  # The first that matches decides.
            for name in names:
                if spec is not None and name in hosts:
                    hosts[name].cabling[card["address"]] = spec["physical_network"]


def _matches(wanted: Any, address: str) -> bool:
    if isinstance(wanted, str):
        return fnmatch.fnmatchcase(address, wanted)
    return re.fullmatch(wanted["bus"], address.split(":")[1]) is not None
