"""What would be if hosts were drained, PFs lost or hosts added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.v1.edits import smallest_edits
from trunkline.api.v1.reasons import counts_by_reason
from trunkline.api.v1.shapes import SHAPE_FIELDS, shape_of
from trunkline.control.services import Services
from trunkline.control.what_if import (
    ADDED_MAX,
    LostPf,
    Outlook,
    ShapeAdvice,
    Stuck,
    WhatIf,
    what_if,
)
from trunkline.domain.device import DeviceRef, OfferedDevice
from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.placement.asks.request import Explanation, Placed
from trunkline.placement.planning.capacity import Capacity
from trunkline.placement.planning.resettling import Move
from trunkline.wire.planning import (
    BoundsItem,
    GivenNic,
    MoveItem,
    ShapeItem,
    StuckItem,
    WhatIfAnswer,
)

_EDITS: Final = ("drain", "lose_pf", "add_hosts", "like")


def ask(svc: Services, request: Request) -> Response:
    """Say what would be; nothing is held or changed. 200 whether all find a place or not."""
    fields = body_fields(request)
    fields.require_only((*_EDITS, *SHAPE_FIELDS))
    like = fields.text("like", None)
    question = WhatIf(
        drained=tuple(dict.fromkeys(map(HostName, fields.texts("drain", None) or ()))),
        lost=tuple(dict.fromkeys(_pf(fields, ref) for ref in fields.texts("lose_pf", None) or ())),
        added=fields.integer("add_hosts", 0, high=ADDED_MAX),
        like=None if like is None else HostName(like),
        shape=shape_of(svc, request.caller, fields)
        if any(fields.raw(name) for name in SHAPE_FIELDS)
        else None,
    )
    return Response(body=_answer(what_if(svc, request.caller, question)))


def _pf(fields: Fields, ref: str) -> LostPf:
    host, slash, address = ref.rpartition("/")
    if not slash or not host:
        raise fields.invalid("lose_pf", f"{ref!r} must be HOST/ADDRESS, as h1/0000:05:00.0")
    try:
        return LostPf(HostName(host), PciAddress.parse(address))
    except ValueError as problem:
        raise fields.invalid("lose_pf", f"{ref!r}: {problem}") from None


def _answer(outlook: Outlook) -> WhatIfAnswer:
    resettled = outlook.resettled
    return WhatIfAnswer(
        leaving=len(resettled.moves) + len(resettled.stuck),
        placed=len(resettled.moves),
        at_most=resettled.at_most,
        moves=tuple(_move(outlook, move) for move in resettled.moves),
        stuck=tuple(_stuck(outlook, stuck) for stuck in outlook.stuck),
        shape=None if outlook.shape is None else _shape(outlook, outlook.shape),
    )


def _move(outlook: Outlook, move: Move) -> MoveItem:
    return MoveItem(
        server_id=move.resident.server_id,
        server=move.resident.name,
        from_host=outlook.host_names[move.resident.host_id],
        to_host=outlook.host_names[move.placed.host_id],
        nics=_given(move.placed, outlook.devices),
    )


def _stuck(outlook: Outlook, stuck: Stuck) -> StuckItem:
    resident, explanation = stuck.resident, stuck.explanation
    return StuckItem(
        server_id=resident.server_id,
        server=resident.name,
        from_host=outlook.host_names[resident.host_id],
        counts={} if explanation is None else counts_by_reason(explanation.counts),
        smallest_change="" if explanation is None else explanation.smallest_change,
        edits=() if explanation is None else smallest_edits(explanation, outlook.owners),
    )


def _shape(outlook: Outlook, advice: ShapeAdvice) -> ShapeItem:
    answer = advice.answer
    placed = answer if isinstance(answer, Placed) else None
    explanation = answer if isinstance(answer, Explanation) else None
    return ShapeItem(
        fits=placed is not None,
        host=None if placed is None else outlook.host_names[placed.host_id],
        nics=() if placed is None else _given(placed, outlook.devices),
        counts={} if explanation is None else counts_by_reason(explanation.counts),
        smallest_change="" if explanation is None else explanation.smallest_change,
        edits=() if explanation is None else smallest_edits(explanation, outlook.owners),
        before=_bounds(advice.before),
        after=_bounds(advice.after),
    )


def _given(placed: Placed, devices: Mapping[DeviceRef, OfferedDevice]) -> tuple[GivenNic, ...]:
    return tuple(
        GivenNic(
            nic=choice.nic,
            device=None if choice.device is None else str(devices[choice.device].function.address),
        )
        for choice in placed.choices
    )


def _bounds(found: Capacity | None) -> BoundsItem | None:
    return None if found is None else BoundsItem(least=found.least, most=found.most)
