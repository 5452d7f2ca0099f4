"""Devices: which PFs and VFs there are, and who has them."""

from __future__ import annotations

from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.control.views import DeviceView
from trunkline.domain.device import DeviceKind
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.transaction import Transaction


def list_devices(svc: Services, caller: Caller, query: ListQuery) -> list[DeviceView]:
    """Return one page of devices, by host and address. Admins only.

    Filters: `host`, `state`, `physical_network`, `kind`, and `port_id`, `server_id`, `project_id`
    of the holder.
    """
    require(caller, rules.LIST_DEVICES)

    def find(tx: Transaction) -> list[DeviceView]:
        records = tx.devices.page(query)
        hosts = tx.hosts.get_many({record.host_id for record in records})
        allocations = tx.allocations.of_devices([record.id for record in records])
        bandwidths = tx.bandwidths.of_devices(
            [record.id for record in records if record.kind is DeviceKind.PF]
        )
        pfs = tx.devices.get_many({record.pf_id for record in records if record.pf_id})
        return [
            DeviceView(
                id=record.id,
                host_name=hosts[record.host_id].name,
                device=record.device,
                offered=record.offered,
                epoch=record.epoch,
                allocation=allocations.get(record.id),
                pf_given_away=record.pf_id is not None and pfs[record.pf_id].held_whole,
                vfs_held=record.vfs_held,
                bandwidth=bandwidths.get(record.id),
                problem=pfs.get(record.ref.kin_id, record).problem,
            )
            for record in records
        ]

    return svc.store.read(find)
