"""Faults that can be planted in a simulated kernel, from any process: they live in its state.

`times` counts down with each use; None means for ever.
"""

from __future__ import annotations

import msgspec

from trunkline.domain.pci import PciAddress


class _Fault(msgspec.Struct, kw_only=True, tag_field="fault", omit_defaults=True):
    times: int | None = None


class IgnoreVlan(_Fault, tag="ignore-vlan"):
    """A VLAN write is acknowledged and has no effect. None: on any PF, for any VF."""

    pf: PciAddress | None = None
    vf_index: int | None = None


class SwapVfs(_Fault, tag="swap-vfs"):
    """Writes to one VF land on the other.

    With `reads_too`, what is read is swapped as well: reading back shows nothing wrong, only the
    card does.
    """

    pf: PciAddress
    a: int
    b: int
    reads_too: bool = False


class RefuseNext(_Fault, tag="refuse-next"):
    """The next writes of a kind, to a kernel or a hypervisor, are refused with an errno.

    With `applied` they are done nevertheless: the answer is what was lost.
    """

    operation: str  # The method: `set_vf`, `bind_driver`, `start_paused`.
    errno: str  # Its name: EAGAIN, EBUSY.
    after: int = 0  # Let this many through first.
    applied: bool = False


class PfUnreadable(_Fault, tag="pf-unreadable"):
    """Reading the VFs of a PF fails."""

    pf: PciAddress
    errno: str = "EIO"


class FewerVfs(_Fault, tag="fewer-vfs"):
    """The driver enables at most `count` VFs, and the write of more still succeeds.

    Source: drivers/pci/iov.c, sriov_numvfs_store(): a smaller count is only logged.
    """

    pf: PciAddress
    count: int


class PfBroken(_Fault, tag="pf-broken"):
    """The driver of a PF says that it can't work, as by a devlink health reporter."""

    pf: PciAddress
    problem: str = "its firmware reports a fatal error"


class SlowNext(_Fault, tag="slow-next"):
    """The next starts or stops of guests are begun, and go on once libvirt is told to.

    `guests`: the next that ask for all domains are told to ask again.
    """

    operation: str  # `start_paused`, `destroy`, `guests`.


Fault = SlowNext | IgnoreVlan | SwapVfs | RefuseNext | PfUnreadable | FewerVfs | PfBroken


def used(faults: list[Fault], fault: Fault) -> None:
    """Count one use of `fault`, and drop it after its last."""
    if fault.times is not None:
        fault.times -= 1
        if fault.times <= 0:
            faults.remove(fault)


def swapped(faults: list[Fault], pf: PciAddress, vf_index: int, *, reading: bool) -> int:
    """The VF that an operation on `vf_index` lands on."""
    for fault in faults:
        if isinstance(fault, SwapVfs) and fault.pf == pf and (fault.reads_too or not reading):
            if vf_index == fault.a:
                return fault.b
            if vf_index == fault.b:
                return fault.a
    return vf_index


def broken(faults: list[Fault], pf: PciAddress) -> str:
    """What a PF's driver says is wrong; empty: nothing."""
    found = (fault.problem for fault in faults if isinstance(fault, PfBroken) and fault.pf == pf)
    return next(found, "")


def refusal(faults: list[Fault], operation: str) -> RefuseNext | None:
    """Take a planted refusal of this operation, if one is due."""
    for fault in faults:
        if isinstance(fault, RefuseNext) and fault.operation == operation:
            if fault.after > 0:
                fault.after -= 1
                continue
            used(faults, fault)
            return fault
    return None


def is_slow(faults: list[Fault], operation: str) -> bool:
    """Say whether this operation is to take its time, and count it."""
    for fault in faults:
        if isinstance(fault, SlowNext) and fault.operation == operation:
            used(faults, fault)
            return True
    return False


def ignores_vlan(faults: list[Fault], pf: PciAddress, vf_index: int) -> bool:
    """Say whether a VLAN write is to be ignored, and count it."""
    for fault in faults:
        if (
            isinstance(fault, IgnoreVlan)
            and fault.pf in (None, pf)
            and fault.vf_index in (None, vf_index)
        ):
            used(faults, fault)
            return True
    return False
