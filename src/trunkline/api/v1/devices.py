"""Devices, for operators: which there are, and who has them."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response, json_list
from trunkline.api.listing import Filter
from trunkline.api.v1.queries import any_of, one_of, strict_query
from trunkline.api.v1.references import references, resolve_references
from trunkline.control.access import require
from trunkline.control.devices import list_devices
from trunkline.control.one_time_use import free_device
from trunkline.control.services import Services
from trunkline.control.views import DeviceView
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import FUNCTION_KINDS, DeviceKind
from trunkline.domain.errors import Invalid
from trunkline.domain.pci import PciAddress
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.wire.v1 import DeviceItem, DeviceOwner, PfBandwidth

_STATES: Final = (
    "free", "claimed", "active", "releasing", "quarantined", "reserved", "blocked",
    "out_of_service", "in_use", "withdrawn",
)  # fmt: skip
_FILTERS: Final = {
    **any_of("host", "address", "physical_network", "port_id", "server_id", "project_id"),
    **references("server", "port"),
    "state": Filter("state", one_of(*_STATES)),
    "kind": Filter("kind", one_of(*(kind.value for kind in FUNCTION_KINDS))),
}


def list_(svc: Services, request: Request) -> Response:
    """List devices, by host and address."""
    query = strict_query(request, _FILTERS)
    require(request.caller, rules.LIST_DEVICES)
    query = resolve_references(svc, request.caller, query)
    return json_list(
        "devices", [device_item(view) for view in list_devices(svc, request.caller, query)]
    )


def free(svc: Services, request: Request) -> Response:
    """Let a device for one use, which is reserved since it was used, be given away again."""
    try:
        address = PciAddress.parse(request.params["address"])
    except ValueError as problem:
        raise Invalid("address", str(problem)) from None
    free_device(svc, request.caller, request.params["name"], address)
    return Response(status=204)


def device_item(view: DeviceView) -> DeviceItem:
    """Render a device."""
    function, held = view.device.function, view.allocation
    return DeviceItem(
        id=view.id,
        host=view.host_name,
        address=str(function.address),
        kind=function.kind.value,
        state=view.state,
        physical_network=view.device.physical_network,
        vendor_id=function.vendor_id,
        product_id=function.product_id,
        driver=function.driver if function.kind is DeviceKind.PLAIN else function.pf_driver,
        ifname=function.ifname,
        numa_node=function.numa_node,
        pf_address=None if function.pf_address is None else str(function.pf_address),
        vf_index=function.vf_index,
        vf_count=function.vf_count,
        vfs_held=view.vfs_held,
        link_up=function.link_up,
        problem=view.problem or None,
        used_by=function.used_by or None,
        iommu_group=function.iommu_group,
        switch_id=function.switch_id,
        unfit=function.unfit or None,
        vendor_name=function.vendor_name,
        product_name=function.product_name,
        uncorrectable_errors=function.uncorrectable_errors,
        epoch=view.epoch,
        tags=view.device.tags,
        managed=view.device.managed,
        one_time_use=view.device.one_time_use,
        owner=None
        if held is None or held.state is AllocationState.RESERVED
        else DeviceOwner(
            port_id=held.port_id,
            server_id=held.server_id,
            since=held.created_at,
            failure=held.failure,
            egress_mbps=held.guarantee.egress_mbps,
            ingress_mbps=held.guarantee.ingress_mbps,
        ),
        bandwidth=None
        if view.bandwidth is None
        else PfBandwidth(
            egress_mbps=view.bandwidth.bandwidth.egress_mbps,
            ingress_mbps=view.bandwidth.bandwidth.ingress_mbps,
            egress_mbps_owed=view.bandwidth.owed.egress_mbps,
            ingress_mbps_owed=view.bandwidth.owed.ingress_mbps,
        ),
    )
