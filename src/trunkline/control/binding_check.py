"""The network side's word on the devices that placement chose, before anything is written.

Where connectivity is checked at placement, a refusal says that hosts' reports and networks'
demands disagree: an inconsistency. Where it is checked at binding it is the ordinary way in which
a host turns out not to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trunkline.control import audit
from trunkline.control.audit import Actor
from trunkline.control.networking import ConnectivityCheck
from trunkline.control.nics import Nic, segments_for
from trunkline.control.services import Services
from trunkline.domain.device import DeviceRef
from trunkline.domain.host import Host
from trunkline.domain.network import Segment
from trunkline.domain.server import Fault, Server
from trunkline.placement.asks.request import NicChoice, Placed
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the network side refused on one host."""

    host: Host
    problem: str


def check_choices(
    svc: Services,
    nics: Sequence[Nic],
    placed: Placed,
    devices: Mapping[DeviceRef, DeviceRecord],
) -> Mapping[str, NicChoice] | str:
    """Return what each NIC gets, or why the network side refuses one of the devices.

    Where connectivity is checked here only, the network side also says on which segment a NIC is.
    """
    choices = {choice.nic: choice for choice in placed.choices}
    for nic in nics:
        choice = choices.get(nic.name)
        if choice is None or choice.device is None:
            continue
        device = devices[choice.device].device
        segment = svc.networking.segment_for(nic.network, device, _possible(svc, nic, choice))
        if isinstance(segment, str):
            return f"{device.function.address} was chosen for {nic.said}, but {segment}"
        if segment.id != choice.segment_id:
            choices[nic.name] = replace(choice, segment_id=segment.id)
    return choices


def _possible(svc: Services, nic: Nic, choice: NicChoice) -> Sequence[Segment]:
    if svc.networking.connectivity_check is ConnectivityCheck.BINDING:
        return segments_for(svc, nic.network, nic.vnic_type)
    return [segment for segment in nic.network.segments if segment.id == choice.segment_id]


def record_refusal(
    tx: Transaction, svc: Services, actor: Actor, server: Server, refusal: Refusal
) -> None:
    """Leave a trace of a refusal for operators."""
    expected = svc.networking.connectivity_check is ConnectivityCheck.BINDING
    audit.record(
        tx, actor, svc.clock.now(), "binding.refused" if expected else "binding.inconsistent",
        f"server {server.id} on {refusal.host.name}", host=refusal.host.name,
        server_id=server.id, details={"problem": refusal.problem},
    )  # fmt: skip


def refused_everywhere(svc: Services, refusals: Sequence[Refusal]) -> Fault:
    """Make the fault of a server that as many hosts' devices were refused for as may be tried."""
    if svc.networking.connectivity_check is ConnectivityCheck.BINDING:
        count = len(refusals)
        message = (
            f"The network refused the devices of {count} host{'s' if count > 1 else ''}, one "
            "after another; nothing is held. More hosts are not tried."
        )
    else:
        message = (
            "Internal inconsistency between placement and network; nothing is held. "
            "An administrator sees the details."
        )
    return Fault(code=500, message=message, details=_lines(refusals), at=svc.clock.now())


def with_refusals(fault: Fault, refusals: Sequence[Refusal]) -> Fault:
    """Add to the fault of a server that fits on no other host what was refused before."""
    return replace(fault, details=f"{fault.details}\n{_lines(refusals)}") if refusals else fault


def _lines(refusals: Sequence[Refusal]) -> str:
    return "\n".join(f"{refusal.host.name}: refused: {refusal.problem}" for refusal in refusals)
