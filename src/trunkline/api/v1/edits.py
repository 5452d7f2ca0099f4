"""Changes that would make a server fit, edit by edit, as JSON has them."""

from __future__ import annotations

from typing import Final

from trunkline.control.owners import Owners
from trunkline.domain.ids import HostId
from trunkline.placement.asks.edits import Edit
from trunkline.placement.asks.request import Explanation, HostRefusal
from trunkline.wire.v1 import EditDevice, EditItem, EditServer

LISTED_MAX: Final = 100  # Servers, and devices, of one edit: a page of 200 hosts stays readable.


def edit_items(refusal: HostRefusal, owners: Owners) -> tuple[EditItem, ...]:
    """Tell the edits of a host, with the servers of which some would have to move."""
    return tuple(_item(refusal.host_id, edit, owners) for edit in refusal.edits)


def smallest_edits(explanation: Explanation, owners: Owners) -> tuple[EditItem, ...]:
    """Tell the edits of the smallest change, if there is any."""
    if not explanation.smallest_change:
        return ()
    return tuple(item for host in explanation.nearest[:1] for item in edit_items(host, owners))


def _item(host_id: HostId, edit: Edit, owners: Owners) -> EditItem:
    owned = owners.of(host_id, edit)
    servers = () if owned is None else owned.servers
    devices = () if owned is None else owned.devices
    return EditItem(
        kind=edit.kind.value,
        count=edit.count,
        words=edit.words,
        needed=0 if owned is None else owned.needed,
        server_count=len(servers),
        servers=tuple(
            EditServer(server_id=one.server_id, server=one.server_name, amount=one.amount)
            for one in servers[:LISTED_MAX]
        ),
        device_count=len(devices),
        devices=tuple(
            EditDevice(device=None, state="claimed", server_id=None)
            if owner is None
            else EditDevice(
                device=owner.address, state=owner.state.value, server_id=owner.server_id
            )
            for _, owner in devices[:LISTED_MAX]
        ),
    )
