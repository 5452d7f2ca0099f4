"""The fewest moves that free devices somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.v1.reasons import counts_by_reason
from trunkline.control.defrag import (
    DefragAdvice,
    OnNumaNode,
    OnPf,
    OnSwitch,
    Stuck,
    Where,
    defrag,
)
from trunkline.control.services import Services
from trunkline.domain.attributes import unknown_attribute
from trunkline.domain.device import DeviceRef, OfferedDevice
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.placement.planning.defrag import STATES_MAX, Goal, Move, NoPlan
from trunkline.wire.defrag import DefragAnswer, DefragDevice, DefragMove, StuckServer

VFS_MAX: Final = 1_000_000  # More than any rack has.
BUDGET_MAX: Final = 50_000  # States: half a minute of a processor.
ATTRIBUTES_MAX: Final = 32

_PLACES: Final = ("pf", "numa", "switch")


def plan_moves(svc: Services, request: Request) -> Response:
    """Find the fewest moves of servers that free devices; nothing is held. 200 either way."""
    fields = body_fields(request)
    fields.require_only(("free", "whole", *_PLACES, "attributes", "budget"))
    budget = fields.integer("budget", None, high=BUDGET_MAX)
    advice = defrag(
        svc,
        request.caller,
        _where(fields),
        _goal(fields),
        states_max=STATES_MAX if budget is None else budget,
    )
    return Response(body=_answer(advice))


def _goal(fields: Fields) -> Goal:
    whole = "whole" in fields and fields.boolean("whole")
    if whole == (fields.raw("free") is not None):
        raise fields.invalid("free", "say how many VFs, or `whole` for a PF: one of the two")
    return Goal(
        free=1 if whole else fields.integer("free", low=1, high=VFS_MAX),
        whole=whole,
        attributes=_attributes(fields),
    )


def _attributes(fields: Fields) -> Mapping[str, str]:
    if fields.raw("attributes") is None:
        return {}
    inner = fields.fields("attributes")
    if len(inner.names()) > ATTRIBUTES_MAX:
        raise fields.invalid("attributes", f"at most {ATTRIBUTES_MAX}")
    for name in inner.names():
        if (problem := unknown_attribute(name)) is not None:
            raise inner.invalid(name, problem)
    return {name: inner.text(name) for name in inner.names()}


def _where(fields: Fields) -> Where:
    given = [name for name in _PLACES if fields.raw(name) is not None]
    if len(given) != 1:
        raise fields.invalid("pf", f"name one place: {', '.join(_PLACES)}")
    [place] = given
    text = fields.text(place, length_min=1)
    if place == "switch":
        return OnSwitch(text)
    host, slash, rest = text.rpartition("/")
    if not slash or not host:
        form = "HOST/ADDRESS, as in h1/0000:3b:00.0" if place == "pf" else "HOST/NODE, as in h1/0"
        raise fields.invalid(place, f"write {form}, not {text!r}")
    if place == "pf":
        try:
            return OnPf(HostName(host), PciAddress.parse(rest))
        except ValueError as problem:
            raise fields.invalid(place, str(problem)) from None
    if not rest.isascii() or not rest.isdigit():
        raise fields.invalid(place, f"a NUMA node is a number, not {rest!r}")
    return OnNumaNode(HostName(host), int(rest))


def _answer(advice: DefragAdvice) -> DefragAnswer:
    found = advice.found
    pfs = tuple(f"{host}/{address}" for host, address in advice.pfs)
    if isinstance(found, NoPlan):
        return _refusal(advice, found, pfs)
    return DefragAnswer(
        is_found=True,
        pfs=pfs,
        free_before=found.free_before,
        free_after=found.free_after,
        moves=tuple(_move(advice, move) for move in found.moves),
        at_least=found.at_least,
        is_optimal=found.is_optimal,
        is_best=found.is_best,
        states=found.states,
    )


def _refusal(advice: DefragAdvice, found: NoPlan, pfs: tuple[str, ...]) -> DefragAnswer:
    return DefragAnswer(
        is_found=False,
        pfs=pfs,
        free_before=found.free,
        free_after=found.most,
        moves=(),
        at_least=found.at_least,
        is_optimal=False,
        is_best=False,
        states=found.states,
        size=found.size,
        free_bound=found.most_bound,
        ownerless=found.ownerless,
        stuck=tuple(_stuck(advice, one) for one in advice.stuck),
    )


def _move(advice: DefragAdvice, move: Move) -> DefragMove:
    return DefragMove(
        server_id=move.resident.server_id,
        server_name=move.resident.name,
        from_host=advice.host_names[move.resident.host_id],
        to_host=advice.host_names[move.placed.host_id],
        memory_mib=move.resident.request.memory_mib,
        devices=tuple(
            DefragDevice(
                nic=change.nic,
                before=_address(advice.devices, change.before),
                after=_address(advice.devices, change.after),
            )
            for change in move.changes
        ),
    )


def _address(devices: Mapping[DeviceRef, OfferedDevice], ref: DeviceRef | None) -> str | None:
    """The device's address; None if there is none, or it was taken out of its host meanwhile."""
    device = None if ref is None else devices.get(ref)
    return None if device is None else str(device.function.address)


def _stuck(advice: DefragAdvice, one: Stuck) -> StuckServer:
    why = one.why
    return StuckServer(
        server_id=one.resident.server_id,
        server_name=one.resident.name,
        host=advice.host_names[one.resident.host_id],
        counts=None if why is None else counts_by_reason(why.counts),
        smallest_change="" if why is None else why.smallest_change,
    )
