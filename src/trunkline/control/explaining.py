"""Refusals for people: what a tenant is told, and what an admin is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from trunkline.control.access import require
from trunkline.control.demands import shape_request
from trunkline.control.moving_words import with_servers
from trunkline.control.owners import Owners, owners_of
from trunkline.control.requests import ExplainRequest
from trunkline.control.services import Services
from trunkline.domain.device import DeviceRef, OfferedDevice
from trunkline.domain.host import Host
from trunkline.domain.identity import Caller
from trunkline.domain.ids import HostName
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.server import Fault
from trunkline.placement.asks.request import (
    Explanation,
    HostRefusal,
    NotPlaced,
    Page,
    Placed,
    PlacementRequest,
)
from trunkline.placement.reasons.explanation import NEAREST
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The answer to `explain`: where it would go, or why nowhere."""

    fits: bool
    host_name: HostName | None  # Admins only.
    placed: Placed | None  # Admins only.
    explanation: Explanation | None  # Tenants get it without hosts.
    devices: Mapping[DeviceRef, OfferedDevice]  # Those that `placed` names.
    owners: Owners  # Of what the changes in the explanation would free.
    said: Mapping[str, str]  # What people are told that each NIC is.


def explain(
    svc: Services,
    caller: Caller,
    request: ExplainRequest,
    *,
    nearest: int = NEAREST,
    page: Page | None = None,
) -> Advice:
    """Think a request through without holding anything.

    Args:
        svc: The services.
        caller: Whose request it would be.
        request: What is asked for.
        nearest: How many of the hosts that lack least to tell an admin about.
        page: Of all hosts that refuse, to be told about besides; for admins.
    """

    def think(tx: Transaction) -> Advice:
        if page is not None:
            require(caller, rules.EXPLAIN_BY_HOST)
        told_of_hosts = caller.may(rules.EXPLAIN_BY_HOST)
        wanted = shape_request(tx, svc, caller, request)
        said = _said(wanted)
        answer = svc.fleet.explain(tx, wanted, nearest=nearest, page=page)
        if isinstance(answer, Placed):
            host: Host = tx.hosts.get(answer.host_id)
            return Advice(
                fits=True,
                host_name=host.name if told_of_hosts else None,
                placed=answer if told_of_hosts else None,
                explanation=None,
                devices=_devices(tx, answer) if told_of_hosts else {},
                owners=owners_of(tx, ()),
                said=said,
            )
        if not told_of_hosts:
            answer = replace(answer, nearest=(), smallest_change="", asked_for=None)
        owners = owners_of(tx, answer.told)
        return Advice(
            fits=False,
            host_name=None,
            placed=None,
            explanation=with_servers(answer, owners, named=True),
            devices={},
            owners=owners,
            said=said,
        )

    # A snapshot may be older than what the index has followed already.
    svc.store.write(svc.fleet.refresh)
    return svc.store.read(think)


def _said(request: PlacementRequest) -> Mapping[str, str]:
    return {nic.nic: nic.said for nic in request.nics}


def _devices(tx: Transaction, placed: Placed) -> Mapping[DeviceRef, OfferedDevice]:
    wanted = [choice.device for choice in placed.choices if choice.device is not None]
    return {ref: record.device for ref, record in tx.devices.named(wanted).items()}


def fault_of(
    tx: Transaction, svc: Services, refused: NotPlaced, request: PlacementRequest
) -> Fault:
    """Make a server's fault of a refusal: counts for its owner, hosts for admins.

    It names no other server: it is kept as long as this one, and these may be of other projects.
    """
    explanation = refused.explanation
    owners = owners_of(tx, explanation.nearest[:1])  # Of the others, changes are not told.
    explanation = with_servers(explanation, owners, named=False)
    counts = ", ".join(
        f"{count} {reason.value.replace('_', ' ')}"
        for reason, count in sorted(
            explanation.counts.items(), key=lambda item: (-item[1], item[0].value)
        )
    )
    more = explanation.host_count - len(explanation.nearest)
    return Fault(
        code=500,
        message=f"No valid host was found for {_asked(request)}. "
        f"Hosts by reason: {counts or 'there are no hosts'}.",
        details="\n".join(
            [
                f"Smallest change: {explanation.smallest_change}",
                *(refusal_line(host, _said(request)) for host in explanation.nearest),
                *([f"and {more} more"] if more else []),
            ]
        ),
        at=svc.clock.now(),
    )


def _asked(request: PlacementRequest) -> str:
    """E.g. `1 NIC`, or `2 NICs and 1 device together`: those on no network are no NICs."""
    nics = sum(1 for nic in request.nics if nic.options)
    devices = len(request.nics) - nics
    parts = [_counted(nics, "NIC")] if nics or not devices else []
    parts += [_counted(devices, "device")] if devices else []
    asked = " and ".join(parts) + (" together" if len(request.nics) > 1 else "")
    if request.zone is not None:
        asked += f" in availability zone {request.zone}"
    if request.fellows is not None:
        asked += f" in server group {request.fellows.name} ({request.fellows.policy.value})"
    return asked


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def refusal_line(refusal: HostRefusal, said: Mapping[str, str]) -> str:
    """Say in one line why one host was refused; `said` is what people are told that NICs are."""
    reasons = [reason.value for reason in refusal.reasons]
    reasons += [
        f"{said[nic.nic]}: {nic.reason.value}" + (f" ({nic.detail})" if nic.detail else "")
        for nic in refusal.nics
    ]
    return f"{refusal.host_name}: {'; '.join(reasons) or refusal.detail}"
