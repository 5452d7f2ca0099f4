"""How many VFs a PF has: made where there are none, changed only while nobody has any."""

from __future__ import annotations

from collections.abc import Iterator

from trunkline.domain.device import PciFunction, is_vfio_driver
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.desired import VfCount
from trunkline.reconcile.report import DriftFact
from trunkline.reconcile.steps import ReadBackVfCount, SetVfCount, Step
from trunkline.reconcile.view import Outcome, Verdict, View

_NOTHING_TO_DO = Verdict(outcome=Outcome.SETTLED)


def plan_making(view: View, address: PciAddress, count: int) -> Verdict:
    """Make the VFs of a PF that has none, and that nobody has whole or is to give back.

    A count that is not 0 stays, whatever it is: to change it all VFs would have to go.
    """
    pf = view.observed.functions.get(address)
    if pf is None or not count or pf.vf_count or _is_elsewhere(view, pf):
        return _NOTHING_TO_DO
    return _to_do(pf, count, f"has no VFs, not {count}")


def plan_vf_count(view: View, wanted: VfCount) -> Verdict:
    """Give a PF just so many VFs. While anybody has a VF of it, it keeps those that it has."""
    pf = view.observed.functions.get(wanted.pf)
    if pf is None or view.is_another_card(wanted.pf, wanted.identity):
        reason = f"the PF that is to have {wanted.count} VFs is not at {wanted.pf}"
        return Verdict(outcome=Outcome.WAITING, reason=reason)
    if pf.vf_count == wanted.count or _is_elsewhere(view, pf):
        return _NOTHING_TO_DO
    in_use = [f"VF {vf.vf_index} ({why})" for vf, why in _in_use(view, pf)]
    if in_use:
        reason = f"{wanted.pf} keeps its {pf.vf_count} VFs: in use are {', '.join(in_use)}"
        return Verdict(outcome=Outcome.WAITING, reason=reason)
    return _to_do(pf, wanted.count, f"has {pf.vf_count} VFs, not {wanted.count}")


def _is_elsewhere(view: View, pf: PciFunction) -> bool:
    """Whether a PF is not its own driver's: a guest has it, or it is on its way back from one."""
    if pf.driver is None or pf.driver != pf.pf_driver:
        return True
    is_released = any(each.address == pf.address for each in view.releases)
    return pf.address in view.owners or is_released or view.holder(pf.address) is not None


def _in_use(view: View, pf: PciFunction) -> Iterator[tuple[PciFunction, str]]:
    released = {each.address for each in view.releases}
    # Guests that are to go have their VFs until they are gone.
    by_guests = {
        address: domain.server_id
        for domain in view.observed.domains.values()
        for address in view.held_by(domain)
    }
    for vf in sorted(view.vfs_of(pf.address), key=lambda vf: vf.vf_index or 0):
        holder = view.owners.get(vf.address) or by_guests.get(vf.address)
        if holder is not None:
            yield vf, f"server {holder}"
        elif vf.address in released:
            yield vf, "not given back yet"
        elif vf.used_by:
            yield vf, vf.used_by
        elif (
            pf.ifname is not None
            and not (vf.driver is None or is_vfio_driver(vf.driver))  # It may be idle then.
            and vf.ifname is None
        ):
            yield vf, f"{vf.driver} has it without a netdev here"


def _to_do(pf: PciFunction, count: int, found: str) -> Verdict:
    # The kernel takes another count only from 0. Source: drivers/pci/iov.c, sriov_numvfs_store().
    counts = [0, count] if pf.vf_count and count else [count]
    steps: list[Step] = []
    for each in counts:
        steps += [SetVfCount(pf.address, each), ReadBackVfCount(pf.address, each)]
    drift = DriftFact(address=pf.address, found=found, repaired=False)
    return Verdict(outcome=Outcome.TO_DO, steps=tuple(steps), drifts=(drift,))
