"""A server with the way from each NIC to the wire."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.v1.references import find_server
from trunkline.control.access import of_server
from trunkline.control.devices import list_devices
from trunkline.control.services import Services
from trunkline.control.views import NicView, ServerView
from trunkline.domain.device import OfferedDevice
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.port import logical_device_name
from trunkline.wire.v1 import NicPath, PathDevice, ServerPath


def path(svc: Services, request: Request) -> Response:
    """Show a server, by ID or name: NIC, VF, PF, physical network, VLAN."""
    caller = request.caller
    view = find_server(svc, caller, request.params["id"])
    return Response(body=_server_path(svc, caller, view))


def _server_path(svc: Services, caller: Caller, view: ServerView) -> ServerPath:
    server, fault = view.server, view.server.fault
    whole = caller.may(rules.SHOW_SERVER_HOST, of_server(server))
    return ServerPath(
        id=server.id,
        name=server.name,
        status=server.state.value,
        project_id=server.project_id,
        host=view.host.name if view.host is not None and whole else None,
        numa_node=server.numa_node if whole else None,
        fault=None if fault is None else fault.message,
        fault_details=fault.details if fault is not None and whole else None,
        nics=tuple(_nic_path(svc, caller, nic, whole=whole) for nic in view.nics),
        rules=tuple(map(str, server.nic_rules)),
        devices=tuple(map(_path_device, view.devices)) if whole else (),
        device_count=len(view.devices),
    )


def _nic_path(svc: Services, caller: Caller, nic: NicView, *, whole: bool) -> NicPath:
    view, port = nic.port, nic.port.port
    device = view.device if whole else None
    segment = view.segment if whole else None
    pf = _pf_of(svc, caller, nic) if device is not None else None
    return NicPath(
        port_id=port.id,
        port_name=port.name,
        port_status=view.status,
        mac=str(port.mac),
        vnic_type=port.vnic_type.value,
        pci_flavor=port.pci_flavor,
        numa_policy=None if port.numa_policy is None else port.numa_policy.value,
        fixed_ips=tuple(fixed_ip.ip_address for fixed_ip in port.fixed_ips),
        logical_name=logical_device_name(port.id),
        network_id=nic.network.id,
        network_name=nic.network.name,
        vif_type=None if view.binding is None else view.binding.vif_type,
        device=None if device is None else _path_device(device),
        pf=None if pf is None else _path_device(pf),
        network_type=None if segment is None else segment.network_type.value,
        physical_network=None if segment is None else segment.physical_network,
        segmentation_id=None if segment is None else segment.segmentation_id,
    )


def _pf_of(svc: Services, caller: Caller, nic: NicView) -> OfferedDevice | None:
    device = nic.port.device
    if device is None or device.function.pf_address is None:
        return None
    where = {
        "host": (nic.port.host_name,),
        "address": (str(device.function.pf_address),),
    }
    found = list_devices(svc, caller, ListQuery(equals=where, limit=1))
    return found[0].device if found else None


def _path_device(device: OfferedDevice) -> PathDevice:
    function = device.function
    return PathDevice(
        address=str(function.address),
        kind=function.kind.value,
        vf_index=function.vf_index,
        ifname=function.ifname,
        driver=function.driver,
        vendor_id=function.vendor_id,
        product_id=function.product_id,
        numa_node=function.numa_node,
    )
