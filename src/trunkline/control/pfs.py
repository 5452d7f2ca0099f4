"""PFs of a host, where an operator has a say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import actor_of
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import Invalid, NotFound, StateConflict
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.devices import DeviceRecord
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def rekey_pf(
    svc: Services, caller: Caller, host_name: str, address: PciAddress, now_at: PciAddress
) -> None:
    """Say that the PF on record at one address is the one at another now.

    Done with the next full report of the host's agent, which is asked for; if no PF with the VFs on
    record is there then, nothing is done.

    Raises:
        NotFound: No PF of the host is on record there.
        StateConflict: It is not in doubt which PF it is.
    """
    require(caller, rules.REKEY_PF)

    def say(tx: Transaction) -> None:
        host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
        pf = get_pf(tx, host.id, host_name, address)
        if not pf.fence:
            problem = "it is what is on record, there is no doubt"
            raise StateConflict("PF", f"{address} on {host_name}", problem)
        tx.devices.say_where(pf.id, now_at)
        tx.hosts.ask_for_everything(host.id)
        tx.on_commit(lambda: svc.wake_host(host.name))
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "pf.rekey", f"pf {address} on {host.name}",
            host=host.name, device_id=pf.id, details={"to": str(now_at)},
        )  # fmt: skip

    svc.store.write(say)


@dataclass(frozen=True, slots=True, kw_only=True)
class InTheWay:
    """A VF with an owner, or the PF itself: while it has one, no VF count changes."""

    address: PciAddress
    state: str
    server_id: str | None  # None: a port without a server has it, or others.
    server_name: str | None
    used_by: str = ""  # Who has it besides servers.

    @property
    def is_seen_by_host(self) -> bool:
        """Whether its host knows of who has it, so that it waits: others it would take it from."""
        is_on_its_way_back = self.state in (
            AllocationState.RELEASING.value,
            AllocationState.QUARANTINED.value,
        )
        return bool(self.used_by or self.server_id or is_on_its_way_back)

    def __str__(self) -> str:
        if self.used_by:
            return f"{self.used_by} ({self.address})"
        if self.state == AllocationState.RESERVED.value:
            return f"nobody since its use ({self.address}: trunkline device free)"
        if self.server_id is None:
            return f"a port without a server ({self.address})"
        return self.server_name or self.server_id


@dataclass(frozen=True, slots=True, kw_only=True)
class VfCountPlan:
    """What another count of VFs would take."""

    address: PciAddress
    ifname: str | None
    count: int  # Now.
    count_max: int
    wanted: int
    in_the_way: tuple[InTheWay, ...]
    applied: bool = False  # On record, and made so at once, or as soon as nobody has any of it.

    @property
    def cost(self) -> str:
        """What happens to the PF meanwhile, in words."""
        if self.count == self.wanted:
            return "nothing changes: it has so many"
        made = f"{self.wanted} VFs are made" if self.wanted else "none are made"
        gone = f"its {self.count} VFs go, with whatever the host itself does with them, and "
        return (
            f"{gone if self.count else ''}{made}; nothing of the PF is given to anybody until"
            " they are there"
        )


def set_vf_count(
    svc: Services,
    caller: Caller,
    host_name: str,
    pf_name: str,
    wanted: int,
    *,
    apply: bool,
    drain: bool = False,
) -> VfCountPlan:
    """Plan another count of VFs for a PF, by its address or netdev; and have it made so.

    `drain`: nothing of the PF is given to anybody from now on, and its host makes it so once the
    last who has any of it has none.

    Raises:
        NotFound: No PF of the host is on record there.
        Invalid: The card can't have so many.
        StateConflict: It is to be applied, and somebody has a VF of the PF, or the PF; or it is to
            be drained, and one has of whom its host does not know.
    """
    require(caller, rules.SET_VF_COUNT)

    def change(tx: Transaction) -> VfCountPlan:
        host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
        pf = _find_pf(tx, host, pf_name)
        plan = _plan(tx, host, pf, wanted)
        if not (apply or drain):
            return plan
        waited_for = [each for each in plan.in_the_way if drain and each.is_seen_by_host]
        kept_by = [each for each in plan.in_the_way if each not in waited_for]
        if kept_by or not tx.devices.want_vfs(pf.id, wanted, though_held=drain):
            owners = sorted({str(each) for each in kept_by})
            raise StateConflict(
                "PF", f"{plan.address} on {host_name}",
                f"devices of it are in use by {', '.join(owners) or 'somebody'};"
                " move or delete these first",
            )  # fmt: skip
        _note_change(tx, svc, host)
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "pf.set_vfs",
            f"pf {plan.address} on {host.name}", host=host.name, device_id=pf.id,
            details={"from": plan.count, "to": wanted}
            | ({"waiting_for": len(waited_for)} if waited_for else {}),
        )  # fmt: skip
        return replace(plan, applied=True)

    return svc.store.write(change)


def unset_vf_count(svc: Services, caller: Caller, host_name: str, pf_name: str) -> None:
    """Leave the VF count of a PF, by its address or netdev, to the host: as it is, or its specs'.

    Raises:
        NotFound: No PF of the host is on record there.
        StateConflict: No operator has said how many VFs it is to have.
    """
    require(caller, rules.SET_VF_COUNT)

    def change(tx: Transaction) -> None:
        host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
        pf = _find_pf(tx, host, pf_name)
        if pf.vf_count_wanted is None:
            problem = "nobody has said how many VFs it is to have"
            raise StateConflict("PF", f"{pf.device.function.address} on {host_name}", problem)
        tx.devices.unwant_vfs(pf.id)
        _note_change(tx, svc, host)
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "pf.unset_vfs",
            f"pf {pf.device.function.address} on {host.name}", host=host.name, device_id=pf.id,
            details={"was": pf.vf_count_wanted, "count": pf.device.function.vf_count},
        )  # fmt: skip

    svc.store.write(change)


def _note_change(tx: Transaction, svc: Services, host: Host) -> None:
    """What is wanted of a PF decides whether it is in service, and the host is to know it."""
    tx.pools.put(host.id, tx.devices.of_host(host.id))
    tx.hosts.raise_generation(host.id)
    svc.fleet.reload_after(tx, host.id)
    tx.on_commit(lambda: svc.wake_host(host.name))


def _plan(tx: Transaction, host: Host, pf: DeviceRecord, wanted: int) -> VfCountPlan:
    function = pf.device.function
    if wanted > function.vf_count_max:
        raise Invalid("count", f"{function.address} can have {function.vf_count_max} VFs at most")
    holders = [
        holder
        for holder in tx.allocations.holders_of_hosts([host.id])
        if holder.device.kin_id == pf.id
    ]
    held = {holder.address for holder in holders}
    return VfCountPlan(
        address=function.address,
        ifname=function.ifname,
        count=function.vf_count,
        count_max=function.vf_count_max,
        wanted=wanted,
        in_the_way=(
            *(each for each in _others(tx, host, pf) if str(each.address) not in held),
            *(
                InTheWay(
                    address=PciAddress.parse(holder.address),
                    state=holder.state.value,
                    server_id=holder.server_id,
                    server_name=holder.server_name,
                )
                for holder in sorted(holders, key=lambda holder: holder.address)
            ),
        ),
    )


def _others(tx: Transaction, host: Host, pf: DeviceRecord) -> Iterator[InTheWay]:
    """Yield the VFs that others have. Who uses the PF itself keeps it, whatever VFs it has."""
    for record in tx.devices.of_host(host.id):
        function = record.device.function
        if record.pf_id == pf.id and function.used_by:
            yield InTheWay(
                address=function.address,
                state="in_use",
                server_id=None,
                server_name=None,
                used_by=function.used_by,
            )


def _find_pf(tx: Transaction, host: Host, name: str) -> DeviceRecord:
    for record in tx.devices.of_host(host.id):
        function = record.device.function
        if record.kind is DeviceKind.PF and name in (str(function.address), function.ifname):
            return record
    raise NotFound("PF", f"{name} on {host.name}")


def get_pf(tx: Transaction, host_id: str, host_name: str, address: PciAddress) -> DeviceRecord:
    """Return a PF of a host; raise `NotFound` if none is on record there."""
    records = tx.devices.of_host(tx.hosts.get(host_id).id)
    for record in records:
        if record.kind is DeviceKind.PF and record.device.function.address == address:
            return record
    raise NotFound("PF", f"{address} on {host_name}")
