"""Verifying: do the rows about each host agree, and is the index that placement reads the store?

Host by host, each in a transaction of its own, so that others wait for one host's reading at most.
What can be mended without harm to a running server is, if that is asked for; the rest is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import Actor, actor_of
from trunkline.control.binding import allocate_device, release_device
from trunkline.control.generations import raise_generation
from trunkline.control.ledger import Finding, Flaw, HostRows, find_flaws, read_rows
from trunkline.control.qos import guarantee_of, policy_of
from trunkline.control.services import Services
from trunkline.domain.errors import DeviceTaken, NotEnoughBandwidth
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostId, HostName, ServerId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.server import ServerState
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

# Of the index: a look may meet a transaction that is written and not committed, or committed and
# not told of yet. Each look is a transaction of its own.
LOOKS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that is wrong, and whether it was mended."""

    host_name: HostName
    flaw: Flaw
    subject: str
    detail: str
    mended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found on one page of hosts, by name."""

    host_ids: tuple[HostId, ...]
    verdicts: tuple[Verdict, ...]


def verify_hosts(
    svc: Services, caller: Caller, query: ListQuery, *, mend: bool = False
) -> Verification:
    """Verify one page of hosts. Admins only; the index is that of this process."""
    require(caller, rules.MEND if mend else rules.VERIFY)
    hosts = svc.store.read(lambda tx: tx.hosts.page(query))
    verdicts: list[Verdict] = []
    for host in hosts:
        verdicts += _verify_rows(svc, actor_of(caller), host, mend=mend)
        verdicts += _verify_index(svc, host, mend=mend)
    return Verification(host_ids=tuple(host.id for host in hosts), verdicts=tuple(verdicts))


def _verify_rows(svc: Services, actor: Actor, host: Host, *, mend: bool) -> list[Verdict]:
    def verify(tx: Transaction) -> list[Verdict]:
        rows = read_rows(tx, tx.hosts.get(host.id, Lock.EXCLUSIVE))
        return [
            Verdict(
                host_name=host.name,
                flaw=finding.flaw,
                subject=finding.subject,
                detail=finding.detail,
                mended=mend and _mend(tx, svc, actor, rows, finding),
            )
            for finding in find_flaws(rows)
        ]

    # Verifying alone writes nothing, and reads under the host's lock all the same.
    return svc.store.write(verify)


def _verify_index(svc: Services, host: Host, *, mend: bool) -> list[Verdict]:
    found: tuple[str, ...] = ()
    for _ in range(LOOKS):
        found = svc.store.write(lambda tx: svc.fleet.differences(tx, tx.hosts.get(host.id)))
        if not found:
            return []
    if mend:
        svc.fleet.mark_stale(host.id)
    return [
        Verdict(
            host_name=host.name,
            flaw=Flaw.INDEX,
            subject=f"host {host.name}",
            detail=detail,
            mended=mend,
        )
        for detail in found
    ]


def _mend(tx: Transaction, svc: Services, actor: Actor, rows: HostRows, finding: Finding) -> bool:
    """Mend one thing; say whether that could be done."""
    host = rows.host
    match finding.flaw:
        case Flaw.USE:
            _recount_use(tx, rows)
        case Flaw.HELD:
            if _is_given_away_twice(rows):
                return False
            tx.devices.recount_held(host.id)
        case Flaw.OWED:
            tx.bandwidths.put(host.id, rows.devices)
        case Flaw.POOLS:
            tx.pools.put(host.id, rows.devices)
        case Flaw.ORPHAN:
            assert finding.allocation is not None
            if not _is_gone(tx, finding.allocation.server_id):
                return False
            release_device(tx, svc, actor, finding.allocation, reason="verify: held for nobody")
            raise_generation(tx, svc, host)
        case Flaw.MISSING:
            if not _hold_again(tx, svc, actor, rows, finding):
                return False
        case Flaw.STRAY:
            assert finding.binding is not None
            if not _is_gone(tx, finding.binding.server_id):
                return False
            # What was held for that server is an orphan, and mended as one.
            tx.bindings.delete(finding.binding.port_id)
            raise_generation(tx, svc, host)
        case Flaw.INDEX:
            raise AssertionError("the index is verified by itself")
    svc.fleet.reload_after(tx, host.id)
    audit.record(
        tx, actor, svc.clock.now(), "host.mend", finding.subject, host=host.name,
        details={"flaw": finding.flaw.value, "detail": finding.detail},
    )  # fmt: skip
    return True


def _recount_use(tx: Transaction, rows: HostRows) -> None:
    tx.hosts.add_use(rows.host.id, rows.use_by_servers + -rows.use)


def _is_given_away_twice(rows: HostRows) -> bool:
    """Whether some PF has an owner while VFs of it do: which of them to believe is not ours."""
    owned = {allocation.device_id for allocation in rows.allocations}
    return any(record.id in owned and record.pf_id in owned for record in rows.devices)


def _hold_again(
    tx: Transaction, svc: Services, actor: Actor, rows: HostRows, finding: Finding
) -> bool:
    """Hold a device for the port that is bound to it, if nobody else has it."""
    binding = finding.binding
    assert binding is not None
    assert binding.device_id is not None, "what is not held is a device"
    owned = {allocation.device_id for allocation in rows.allocations}
    record = next((each for each in rows.devices if each.id == binding.device_id), None)
    if record is None or record.id in owned:
        return False
    port = tx.ports.get(binding.port_id)
    network = tx.networks.get(port.network_id)
    segment = next((each for each in network.segments if each.id == binding.segment_id), None)
    try:
        allocate_device(
            tx, svc, actor, port_id=port.id, project_id=port.project_id, segment=segment,
            record=record, host=rows.host, server_id=binding.server_id,
            guarantee=guarantee_of(policy_of(tx, port, network)),
        )  # fmt: skip
    except (DeviceTaken, NotEnoughBandwidth):
        return False
    raise_generation(tx, svc, rows.host)
    return True


def _is_gone(tx: Transaction, server_id: ServerId | None) -> bool:
    """Whether nobody can be running as this server. One on another host may be running here."""
    server = None if server_id is None else tx.servers.find(server_id)
    return server is None or server.state is ServerState.DELETED
