"""Taking a device back: restore it to what it was, read that back, forget."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.domain.device import DeviceKind, PciFunction, is_vfio_driver
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import HeldDevice
from trunkline.reconcile.observed import OriginalState
from trunkline.reconcile.pool_devices import wait_for_strays
from trunkline.reconcile.programming import neutral_settings, program
from trunkline.reconcile.steps import (
    ForgetOriginal,
    ReadBack,
    ReadBackName,
    ReadBackVfCount,
    ReloadVfDriver,
    RememberEpoch,
    RememberOriginal,
    RenameNetdev,
    SetPfUp,
    SetVfCount,
    Step,
)
from trunkline.reconcile.view import (
    Outcome,
    Unplanned,
    Verdict,
    View,
    Waiting,
    fenced,
)


def plan_release(view: View, device: HeldDevice) -> Verdict:
    """Return what brings `device` back to its original state; SETTLED means it was read so."""
    if view.is_fenced(device):
        return fenced(device, view)
    if device.address in view.owners:
        return Verdict(
            outcome=Outcome.FENCED,
            reason=f"{device.address} belongs to server {view.owners[device.address]}",
        )
    return _taken_back(view, device, wait_for=wait_for_strays)


def plan_stray(view: View, device: HeldDevice) -> Verdict:
    """Do the same for a VF of a network pool that no guest has, whoever holds one of the pool."""
    return _taken_back(view, device, wait_for=lambda _view, _address: None)


def _taken_back(
    view: View, device: HeldDevice, *, wait_for: Callable[[View, PciAddress], None]
) -> Verdict:
    try:
        steps = _restore(view, device)
        if not steps:
            wait_for(view, device.address)
    except Unplanned as why:
        return why.verdict
    if not steps:
        return Verdict(outcome=Outcome.SETTLED)
    if view.observed.journal.epochs.get(device.address, 0) < device.epoch:
        steps.insert(0, RememberEpoch(address=device.address, epoch=device.epoch))
    return Verdict(outcome=Outcome.TO_DO, steps=tuple(steps))


def _restore(view: View, device: HeldDevice) -> list[Step]:
    view.require_free(device.address)
    journal = view.observed.journal
    original = journal.originals.get(device.address)
    function = view.function(device)
    if function is None:
        # Nothing is left of a function that does not exist; a new one starts as the driver has it.
        known = original is not None or device.address in journal.unknown
        return [ForgetOriginal(device.address)] if known else []
    if device.kind is DeviceKind.VF:
        return _restore_vf(view, device, function, original)
    if original is None:
        return []
    if device.kind is DeviceKind.PF:
        return _restore_pf(view, device, function, original)
    # Nothing is ever written to a plain function. It is as it was when its guest is gone and its
    # driver, read from sysfs, is bound again.
    _check_driver(device, function, original)
    return [ForgetOriginal(function.address)]


def _restore_vf(
    view: View, device: HeldDevice, vf: PciFunction, original: OriginalState | None
) -> list[Step]:
    pf, vf_index, observed = view.pf_and_settings(vf)
    steps: list[Step] = []
    if original is None:
        if vf.address not in view.observed.journal.unknown:
            return []  # Never written to since it was last clean.
        original = OriginalState(address=vf.address, settings=neutral_settings(observed))
        steps.append(RememberOriginal(original))
    assert original.settings is not None
    writes = program(pf, vf_index, desired=original.settings, observed=observed)
    if writes:
        pf_ifname = writes[0].pf_ifname
        expected = ((vf_index, original.settings),)
        steps += [*writes, ReadBack(pf=pf.address, pf_ifname=pf_ifname, expected=expected)]
    if steps and original.driver not in (None, vf.driver):
        return steps  # Cleaned meanwhile; not done with.
    if vf.driver is None and original.given_mac is not None:
        return [*steps, ReloadVfDriver(vf.address)]  # We were killed in the midst of that.
    _check_driver(device, vf, original)
    has = view.observed.netdev_macs.get(vf.address)
    if has is not None and has == original.given_mac != original.settings.mac:
        return [*steps, ReloadVfDriver(vf.address)]  # Its driver has what the PF had for it.
    if not is_vfio_driver(vf.driver):
        steps += _name_back(view, pf, vf, original.ifname)
    return [*steps, ForgetOriginal(vf.address)]


def _check_driver(device: HeldDevice, function: PciFunction, original: OriginalState) -> None:
    """Wait for a device to be bound as before: libvirt only logs it when it can't bind it back.

    Where the operator has said meanwhile that it is to be on vfio, that is as good.
    """
    if not device.managed and is_vfio_driver(function.driver):
        return
    if original.driver is not None and function.driver != original.driver:
        raise Waiting(
            f"{function.address} is bound to {function.driver or 'no driver'}, not to "
            f"{original.driver} as before"
        )


def _name_back(
    view: View, pf: PciFunction, vf: PciFunction, original_ifname: str | None
) -> list[Step]:
    if original_ifname is None:
        return []
    if vf.ifname is None:
        raise Waiting(f"{vf.address} has no netdev to give its name {original_ifname} back to")
    ifname = original_ifname
    if any(
        each.ifname == ifname and each.address != vf.address
        for each in view.observed.functions.values()
    ):
        # Where udev names nothing, the kernel gives the lowest ethN that is free to the next
        # netdev that comes: what is left is the name that udev would have given.
        ifname = f"{pf.ifname}v{vf.vf_index}"
    if vf.ifname == ifname:
        return []
    return [
        RenameNetdev(address=vf.address, old=vf.ifname, new=ifname),
        ReadBackName(vf.address, ifname),
    ]


def _restore_pf(
    view: View, device: HeldDevice, pf: PciFunction, original: OriginalState
) -> list[Step]:
    _check_driver(device, pf, original)
    steps: list[Step] = []
    on_vfio = is_vfio_driver(pf.driver)
    count = 0 if on_vfio else original.vf_count or 0  # Its own driver alone makes VFs.
    if pf.vf_count not in (0, count):
        # Somebody made other VFs meanwhile. They go, if nobody has them.
        _refuse_if_held(view, pf.address)
        steps += [SetVfCount(pf.address, 0), ReadBackVfCount(pf.address, 0)]
    if pf.vf_count != count and count:
        steps += [SetVfCount(pf.address, count), ReadBackVfCount(pf.address, count)]
    if not pf.link_up and not on_vfio:
        # It was up before: a PF without a link is given to nobody.
        if pf.ifname is None:
            raise Waiting(f"{pf.address} has no netdev to be set up")
        steps.append(SetPfUp(pf=pf.address, pf_ifname=pf.ifname))
    return [*steps, ForgetOriginal(pf.address)]


def _refuse_if_held(view: View, pf: PciAddress) -> None:
    for vf in view.vfs_of(pf):
        if vf.address in view.owners or view.holder(vf.address) is not None:
            raise Waiting(f"VF {vf.address} of {pf} is in use")
