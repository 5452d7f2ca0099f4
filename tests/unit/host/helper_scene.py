"""A host with two cards and two bridges, and a helper that listens there."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.sysfs_trees import Tree
from trunkline.domain.bridge import Bridge, BridgePort
from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.device import PciFunction
from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import PhysicalNetwork, ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.host.linux.inventory import Inventory, NetdevFacts
from trunkline.host.privileged.additions import Additions
from trunkline.host.privileged.listed import Listed
from trunkline.host.privileged.permissions import Permissions
from trunkline.host.privileged.server import Callers, Helper
from trunkline.host.privileged.set_vfs import SetVfs
from trunkline.reconcile.interfaces import HostRefused

PF, VF0, VF1 = "0000:05:00.0", "0000:05:10.0", "0000:05:10.2"
OTHER_PF, OTHER_VF = "0000:06:00.0", "0000:06:10.0"
TAP = "tl0123456789ab"
MAC = MacAddress.parse("02:00:00:00:00:0a")
ONLY_ME = Callers(users={os.getuid()})


def address(text: str) -> PciAddress:
    return PciAddress.parse(text)


@dataclass
class Recorder:
    """Does nothing, and remembers what it was to do."""

    done: list[tuple[Any, ...]] = field(default_factory=list)
    refusal: Exception | None = None

    def _note(self, *what: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.done.append(what)

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        self._note("set_vf", str(pf), vf_index, str(change))

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        self._note("set_vf_count", str(pf), count)

    def rename_netdev(self, old: str, new: str) -> None:
        self._note("rename_netdev", old, new)

    def read_console(self, server_id: ServerId) -> bytes:
        self._note("read_console", server_id)
        return b"x" * CONSOLE_BYTES_MAX

    def set_pf_up(self, pf: PciAddress) -> None:
        self._note("set_pf_up", str(pf))

    def reload_vf_driver(self, vf: PciAddress) -> None:
        self._note("reload_vf_driver", str(vf))

    def read_vpd(self, address: PciAddress) -> bytes:
        self._note("read_vpd", str(address))
        return bytes(range(256)) * 128

    def set_bridge_vlan(
        self, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
    ) -> None:
        self._note("set_bridge_vlan", ifname, vlan_id, untagged, member)

    def set_fdb_entry(
        self, ifname: str, mac: MacAddress, *, vlan_id: int | None = None, present: bool = True
    ) -> None:
        self._note("set_fdb_entry", ifname, str(mac), vlan_id, present)


def make_tree(root: Path) -> Tree:
    """Two cards; the VFs of the first are on offer, but for VF 1 of it.

    ::

        0000:05:00.0 eth2 ── 0000:05:10.0 eth2v0, 0000:05:10.2 eth2v1
        0000:06:00.0 eth3 ── 0000:06:10.0 eth3v0
        br-phy1 ── TAP, vnet0, eth2 (VLAN 1 untagged)        br0 ── vnet1
    """
    tree = Tree(root / "sys")
    for pf, ifname, vfs in ((PF, "eth2", (VF0, VF1)), (OTHER_PF, "eth3", (OTHER_VF,))):
        tree.add(pf, product="0x10c9", driver="igb", netdevs={ifname: {"ifindex": "1"}})
        tree.make_pf(pf)
        for index, vf in enumerate(vfs):
            tree.add(vf, driver="igbvf", netdevs={f"{ifname}v{index}": {"ifindex": "2"}})
            tree.make_vf(vf, of=pf, index=index)
    ports = ((TAP, "br-phy1"), ("vnet0", "br-phy1"), ("eth2", "br-phy1"), ("vnet1", "br0"))
    for index, (port, bridge) in enumerate(ports):
        (tree.root / f"class/net/{port}").mkdir(parents=True)
        (tree.root / f"class/net/{port}/ifindex").write_text(f"{10 + index}\n")
        (tree.root / f"class/net/{port}/master").symlink_to(f"../{bridge}")
    (tree.root / f"class/net/{TAP}/tun_flags").write_text("0x1002\n")
    return tree


@dataclass
class Reading:
    """What the kernel tells; bridges and forwarding tables as they are made up here."""

    functions_of: Inventory
    uplink: BridgePort = field(
        default_factory=lambda: BridgePort(
            ifname="eth2", pvid=1, vlans={1: True, 7: False}, is_uplink=True
        )
    )
    addresses: frozenset[MacAddress] = frozenset()
    vfs: Mapping[int, VfSettings] = field(default_factory=lambda: {0: VfSettings()})

    def functions(self) -> Mapping[PciAddress, PciFunction]:
        return self.functions_of.read()

    def bridges(self, names: Collection[str]) -> Mapping[str, Bridge]:
        assert list(names) == ["br-phy1"]
        ports = {"eth2": self.uplink, "vnet0": BridgePort(ifname="vnet0")}
        return {"br-phy1": Bridge(name="br-phy1", vlan_filtering=True, ports=ports)}

    def pf_addresses(self, pf: PciAddress) -> frozenset[MacAddress]:
        assert str(pf) == PF
        return self.addresses

    def vf_settings(self, pf: PciAddress) -> Mapping[int, VfSettings]:
        assert str(pf) == PF
        return self.vfs


SPECS: tuple[dict[str, object], ...] = (
    {"address": VF1, "exclude": True},
    {"address": PF, "offer": "vfs", "physical_network": "phy1"},
)


def permissions(
    tree: Tree,
    *,
    monotonic: Callable[[], float] = lambda: 0.0,
    device_specs: tuple[dict[str, object], ...] = SPECS,
) -> Permissions:
    specs = parse_device_specs(list(device_specs), path="device_spec", allow_auto=True)
    reading = Inventory(tree.root, netdev_facts=lambda *_: NetdevFacts(), serial=lambda _: None)
    return Permissions(
        listed=Listed(specs, {PhysicalNetwork("phy1"): "br-phy1"}),
        kernel=Reading(reading),
        additions=Additions(tree.root.parent / "additions.json"),
        set_vfs=SetVfs(tree.root.parent / "vfs.json"),
        sysfs_root=tree.root,
        monotonic=monotonic,
    )


@contextmanager
def running(tree: Tree, *, callers: Callers = ONLY_ME) -> Iterator[tuple[Path, Recorder]]:
    """A helper that listens; where, and what it did."""
    recorder = Recorder()
    path = tree.root.parent / "helper.sock"
    path.unlink(missing_ok=True)
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(4)
        listener.setblocking(False)
        helper = Helper(recorder, permissions(tree), callers)
        thread = threading.Thread(target=helper.serve, args=(listener,), kwargs={"stop": reader})
        thread.start()
        try:
            yield path, recorder
        finally:
            os.write(writer, b"!")
            thread.join()
            os.close(reader)
            os.close(writer)


def refused(act: Callable[[], object]) -> HostRefused:
    with pytest.raises(HostRefused) as caught:
        act()
    return caught.value


def raw(path: Path, data: bytes) -> bytes:
    """Send bytes as they are; return all that comes back."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(30)
        channel.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            channel.sendall(data)
            channel.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := channel.recv(65536):
                answer += piece
        return answer


def framed(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text
