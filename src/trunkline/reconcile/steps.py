"""What an agent can do to its host: one frozen class a step.

A step prints as the command an operator would type for the same effect. Steps that only write the
journal print as comments. No step decides anything: all it needs is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, VfSettings
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.disks import disk_name
from trunkline.reconcile.nic_steps import NicStep
from trunkline.reconcile.observed import Addition, OriginalState, UplinkVlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberEpoch:
    """Journal: this device is about to be acted on for the owner of this epoch."""

    address: PciAddress
    epoch: int

    def __str__(self) -> str:
        return f"# journal: {self.address} is held at epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class RememberOriginal:
    """Journal: what the device is like before it is written to for the first time."""

    original: OriginalState

    def __str__(self) -> str:
        return f"# journal: {self.original.address} was: {describe_original(self.original)}"


@dataclass(frozen=True, slots=True)
class ForgetOriginal:
    """Journal: the device is in its original state, so that can be observed again."""

    address: PciAddress

    def __str__(self) -> str:
        return f"# journal: {self.address} is as it was"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVf:
    """Write settings of one VF, through its PF."""

    pf: PciAddress
    pf_ifname: str
    vf_index: int
    change: VfChange

    def __str__(self) -> str:
        return f"ip link set {self.pf_ifname} vf {self.vf_index} {self.change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """Read all VFs of one PF and fail unless those named are as expected.

    A setting that is None in what is expected is not looked at.
    """

    pf: PciAddress
    pf_ifname: str
    expected: tuple[tuple[int, VfSettings], ...]  # By vf_index.

    def __str__(self) -> str:
        wanted = "; ".join(f"vf {index} {describe(vf)}" for index, vf in self.expected)
        return f"ip link show {self.pf_ifname}  # expect {wanted}"


@dataclass(frozen=True, slots=True)
class SetVfCount:
    """Create or destroy all VFs of a PF."""

    pf: PciAddress
    count: int

    def __str__(self) -> str:
        return f"echo {self.count} > /sys/bus/pci/devices/{self.pf}/sriov_numvfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPfUp:
    """Set up a PF that was given away; its link comes some time later."""

    pf: PciAddress
    pf_ifname: str

    def __str__(self) -> str:
        return f"ip link set {self.pf_ifname} up"


@dataclass(frozen=True, slots=True)
class ReadBackVfCount:
    """Fail unless the PF has this many VFs: a driver may enable fewer, and the write succeeds.

    Source: Linux drivers/pci/iov.c, sriov_numvfs_store().
    """

    pf: PciAddress
    count: int

    def __str__(self) -> str:
        return f"cat /sys/bus/pci/devices/{self.pf}/sriov_numvfs  # expect {self.count}"


@dataclass(frozen=True, slots=True)
class ReloadVfDriver:
    """Have the driver of a VF take over the MAC that its PF has for it."""

    address: PciAddress

    def __str__(self) -> str:
        device = f"/sys/bus/pci/devices/{self.address}"
        return (
            f"echo {self.address} > {device}/driver/unbind"
            f" && echo {self.address} > /sys/bus/pci/drivers_probe"
        )


@dataclass(frozen=True, slots=True)
class ReadBackNetdevMac:
    """Fail unless the netdev of a VF has this MAC."""

    address: PciAddress
    mac: MacAddress

    def __str__(self) -> str:
        return f"cat /sys/bus/pci/devices/{self.address}/net/*/address  # expect {self.mac}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameNetdev:
    """Give a VF's netdev another name; it is down meanwhile."""

    address: PciAddress
    old: str
    new: str

    def __str__(self) -> str:
        return (
            f"ip link set {self.old} down && ip link set {self.old} name {self.new}"
            f" && ip link set {self.new} up"
        )


@dataclass(frozen=True, slots=True)
class ReadBackName:
    """Fail unless the netdev of a VF has this name."""

    address: PciAddress
    ifname: str

    def __str__(self) -> str:
        return f"ls /sys/bus/pci/devices/{self.address}/net  # expect {self.ifname}"


@dataclass(frozen=True, slots=True)
class RememberAddition:
    """Journal: this is about to be added to what the whole host shares."""

    addition: Addition

    def __str__(self) -> str:
        return f"# journal: added here: {self.addition}"


@dataclass(frozen=True, slots=True)
class ForgetAddition:
    """Journal: this is not there any more."""

    addition: Addition

    def __str__(self) -> str:
        return f"# journal: gone again: {self.addition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPortVlan:
    """Let a port of a bridge carry a VLAN, or no longer; `untagged`: as its own, without a tag."""

    ifname: str
    vlan_id: int
    untagged: bool = False
    member: bool = True

    def __str__(self) -> str:
        verb = "add" if self.member else "del"
        how = " pvid untagged" if self.untagged and self.member else ""
        return f"bridge vlan {verb} dev {self.ifname} vid {self.vlan_id}{how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBackTap:
    """Fail unless a guest's tap is in this VLAN alone, untagged; 0: in none."""

    bridge: str
    ifname: str
    vlan_id: int

    def __str__(self) -> str:
        wanted = described_vlan(self.vlan_id)
        return f"bridge vlan show dev {self.ifname}  # expect {wanted}, on {self.bridge}"


@dataclass(frozen=True, slots=True)
class ReadBackUplink:
    """Fail unless an uplink carries a VLAN tagged; `member` False: unless it does not carry it."""

    vlan: UplinkVlan
    member: bool = True

    def __str__(self) -> str:
        wanted = f"{self.vlan.vlan_id} tagged" if self.member else f"no {self.vlan.vlan_id}"
        return f"bridge vlan show dev {self.vlan.ifname}  # expect {wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPfAddress:
    """Have a PF's embedded switch send frames for this address to the PF, or no longer."""

    pf: PciAddress
    pf_ifname: str
    mac: MacAddress
    present: bool = True

    def __str__(self) -> str:
        return f"bridge fdb {'add' if self.present else 'del'} {self.mac} dev {self.pf_ifname} self"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBackPfAddress:
    """Fail unless a PF has this address in its forwarding table; `present` False: unless not."""

    pf: PciAddress
    pf_ifname: str
    mac: MacAddress
    present: bool = True

    def __str__(self) -> str:
        return (
            f"bridge fdb show dev {self.pf_ifname}  # expect {'' if self.present else 'no '}"
            f"{self.mac} self"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDisk:
    """Begin to make a guest's disk: its image may have to be fetched, which takes its time."""

    server_id: ServerId
    image: ImageSource | None  # None: blank.
    disk_gib: int
    number: int = 1  # Of the disk; those before it go once it is there.

    def __str__(self) -> str:
        base = "" if self.image is None else f" -b {self.image.id} -F {self.image.disk_format}"
        name = disk_name(self.server_id, self.number)
        return f"qemu-img create -f qcow2{base} {name} {self.disk_gib}G"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConfigDrive:
    """Begin to write what a guest is told about itself, in place of what it was told before."""

    server_id: ServerId
    name: str  # Of the file.
    files: Mapping[str, bytes] = field(repr=False)  # By path. A password may be in them.

    def __str__(self) -> str:
        return f"xorriso -as mkisofs -V config-2 -o {self.name}"


@dataclass(frozen=True, slots=True)
class DeleteFiles:
    """Delete disk and config drive of a guest that there is not."""

    server_id: ServerId

    def __str__(self) -> str:
        return f"rm {self.server_id}.*"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineDomain:
    """Define a libvirt domain, or redefine one that is shut off."""

    server_id: ServerId
    boot_number: int
    xml: str

    def __str__(self) -> str:
        return f"virsh define {self.server_id}.xml  # boot {self.boot_number}"


@dataclass(frozen=True, slots=True)
class StartPaused:
    """Begin to start a domain with its CPUs stopped."""

    server_id: ServerId

    def __str__(self) -> str:
        return f"virsh start --paused {self.server_id}"


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused domain run."""

    server_id: ServerId

    def __str__(self) -> str:
        return f"virsh resume {self.server_id}"


@dataclass(frozen=True, slots=True)
class Destroy:
    """Begin to end a domain."""

    server_id: ServerId

    def __str__(self) -> str:
        return f"virsh destroy {self.server_id}"


@dataclass(frozen=True, slots=True)
class Undefine:
    """Forget a domain that is shut off, and delete its disk."""

    server_id: ServerId

    def __str__(self) -> str:
        return f"virsh undefine {self.server_id} --remove-all-storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineNetwork:
    """Define a libvirt network that starts with libvirt, or change what it is from then on."""

    name: str
    xml: str

    def __str__(self) -> str:
        return f"virsh net-define {self.name}.xml && virsh net-autostart {self.name}"


@dataclass(frozen=True, slots=True)
class StartNetwork:
    """Start a libvirt network."""

    name: str

    def __str__(self) -> str:
        return f"virsh net-start {self.name}"


@dataclass(frozen=True, slots=True)
class DestroyNetwork:
    """Stop a libvirt network that no guest uses."""

    name: str

    def __str__(self) -> str:
        return f"virsh net-destroy {self.name}"


@dataclass(frozen=True, slots=True)
class UndefineNetwork:
    """Forget a libvirt network."""

    name: str

    def __str__(self) -> str:
        return f"virsh net-undefine {self.name}"


JournalStep = RememberEpoch | RememberOriginal | ForgetOriginal | RememberAddition | ForgetAddition
BridgeCheck = ReadBackTap | ReadBackUplink | ReadBackPfAddress
CheckStep = ReadBack | ReadBackVfCount | ReadBackName | ReadBackNetdevMac | BridgeCheck
StorageStep = MakeDisk | DeleteFiles | WriteConfigDrive
DomainStep = DefineDomain | StartPaused | Resume | NicStep | Destroy | Undefine
NetworkStep = DefineNetwork | StartNetwork | DestroyNetwork | UndefineNetwork
BridgeStep = SetPortVlan | SetPfAddress
DeviceStep = SetVf | SetVfCount | SetPfUp | RenameNetdev | ReloadVfDriver
WriteStep = DeviceStep | BridgeStep | StorageStep | DomainStep | NetworkStep
Step = JournalStep | CheckStep | WriteStep


def described_vlan(vlan_id: int) -> str:
    """Say the only VLAN that a guest's tap is to be in; 0: it is to be in none."""
    return f"{vlan_id} pvid untagged" if vlan_id else "no VLAN"


def describe(settings: VfSettings) -> str:
    """Say settings in the words of ``ip link set``; those that are None are left out."""
    return str(VfChange(**_whole_pairs(settings)))


def describe_original(original: OriginalState) -> str:
    """Say what a device was like, in one line."""
    words = []
    if original.settings is not None:
        words.append(describe(original.settings))
    if original.ifname is not None:
        words.append(f"name {original.ifname}")
    if original.vf_count is not None:
        words.append(f"{original.vf_count} VFs")
    return ", ".join(words) or f"bound to {original.driver or 'no driver'}"


def differences(*, expected: VfSettings, found: VfSettings) -> tuple[str, ...]:
    """Name each setting in which `found` is not as `expected`; None in `expected` matches all."""
    return tuple(
        f"{field.name} is {_text(have)}, not {_text(want)}"
        for field in fields(VfSettings)
        if (want := getattr(expected, field.name)) is not None
        and (have := getattr(found, field.name)) != want
    )


def _whole_pairs(settings: VfSettings) -> dict[str, Any]:
    words: dict[str, Any] = {
        field.name: getattr(settings, field.name) for field in fields(VfSettings)
    }
    if settings.min_tx_rate_mbps is not None or settings.max_tx_rate_mbps is not None:
        words["min_tx_rate_mbps"] = settings.min_tx_rate_mbps or 0
        words["max_tx_rate_mbps"] = settings.max_tx_rate_mbps or 0
    return words


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(getattr(value, "value", value))
