"""Choosing where servers go: placement decides, the network side agrees; nothing is written yet.

What is chosen is held in the fleet index until the transaction commits or rolls back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control.audit import Actor
from trunkline.control.binding_check import (
    Refusal,
    check_choices,
    record_refusal,
    refused_everywhere,
    with_refusals,
)
from trunkline.control.demands import server_request
from trunkline.control.explaining import fault_of
from trunkline.control.fleet import TooFew
from trunkline.control.nics import Nic
from trunkline.control.services import Services
from trunkline.control.turns import place_in_turn
from trunkline.domain.device import DeviceRef
from trunkline.domain.errors import DeviceTaken
from trunkline.domain.host import Host
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.server import Fault, Server
from trunkline.placement.asks.fellows import Fellows
from trunkline.placement.asks.request import NicChoice, PlacementRequest
from trunkline.placement.batch import Held, beside
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Where one server goes, and what each of its NICs gets there."""

    held: Held
    host: Host
    devices: Mapping[DeviceRef, DeviceRecord]
    choices: Mapping[str, NicChoice]  # By the names of NICs and other devices.
    excluded_hosts: tuple[HostId, ...]  # That were tried before.


def choose(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    server: Server,
    nics: Sequence[Nic],
    *,
    least: int,
    most: int,
    host_name: HostName | None = None,
    fellows: Fellows | None = None,
) -> list[Chosen] | Fault:
    """Choose for servers that are all like `server`: as many as fit, up to `most`.

    Hosts whose devices the network side refuses are left out and others are tried, up to a limit.

    Returns:
        What was chosen, or why fewer than `least` fit; then nothing is held.
    """
    chosen: list[Chosen] = []
    refusals: list[Refusal] = []
    while True:
        request = server_request(tx, svc, server, nics, host=host_name, fellows=fellows)
        request = beside(request, [one.held for one in chosen])
        found = place_in_turn(
            tx, svc, request, least=max(0, least - len(chosen)), most=most - len(chosen)
        )
        if isinstance(found, TooFew):
            fault = _fault(tx, svc, found, request, fitting=len(chosen), least=least)
            _given_up(svc, chosen)
            return with_refusals(fault, refusals)
        before = len(refusals)
        for host, held in found:
            agreed, refusal = _checked(tx, svc, server, nics, host, held)
            chosen += agreed
            if refusal is not None:
                refusals.append(refusal)
                record_refusal(tx, svc, actor, server, refusal)
        if len(refusals) == before:
            return chosen
        if fellows is not None and fellows.must_gather and len(chosen) < least:
            # The others can't join them there, and may fit all together on another host.
            _given_up(svc, chosen)
            chosen = []
        refusing = [refusal.host.id for refusal in refusals[before:]]
        server = replace(server, excluded_hosts=(*server.excluded_hosts, *refusing))
        if len(server.excluded_hosts) >= svc.limits.placement_attempts_max:
            if len(chosen) >= least:
                return chosen
            _given_up(svc, chosen)
            return refused_everywhere(svc, refusals)


def _checked(
    tx: Transaction,
    svc: Services,
    server: Server,
    nics: Sequence[Nic],
    host: Host,
    found: Sequence[Held],
) -> tuple[list[Chosen], Refusal | None]:
    """Ask the network side about all servers that one host would get.

    Returns:
        Those that it agrees to, and what it refuses, which is held no more.

    Raises:
        DeviceTaken: A device is there no more: the index was behind.
    """
    wanted = {choice.device for held in found for choice in held.placed.choices if choice.device}
    devices = tx.devices.named(wanted)
    gone = wanted - devices.keys()
    if gone:  # Its host has reported so.
        raise DeviceTaken(min(ref.kin_id for ref in gone), "it is gone", host_id=host.id)
    agreed: list[Chosen] = []
    refusal: Refusal | None = None
    for held in found:
        choices = check_choices(svc, nics, held.placed, devices)
        if isinstance(choices, str):
            refusal = refusal or Refusal(host, choices)
            svc.fleet.release(held)
            continue
        agreed.append(
            Chosen(
                held=held, host=host, devices=devices, choices=choices,
                excluded_hosts=server.excluded_hosts,
            )
        )  # fmt: skip
    return agreed, refusal


def _given_up(svc: Services, chosen: Sequence[Chosen]) -> None:
    for one in reversed(chosen):
        svc.fleet.release(one.held)


def _fault(
    tx: Transaction,
    svc: Services,
    found: TooFew,
    request: PlacementRequest,
    *,
    fitting: int,
    least: int,
) -> Fault:
    fault = fault_of(tx, svc, found.refused, request)
    if least == 1:
        return fault
    most = fitting + found.at_most
    fitting += found.fitting
    told = f"{fitting} of at least {least} servers fit; none was placed."
    if most >= least:
        told = (
            f"{fitting} of at least {least} servers were found to fit; none was placed. It is not "
            f"proven that no more fit, for up to {most} may: the search has ended at its limit. "
            "Ask for fewer at a time."
        )
    return replace(fault, message=f"{told} {fault.message}")
