"""Requests and answers as the plain dicts that the auditor hears."""

from __future__ import annotations

from typing import Any

from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.services import Services
from trunkline.control.views import DeviceView, PortView, ServerView
from trunkline.domain.audit import AuditEvent
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller
from trunkline.reconcile.report import HostReport


def nic_dict(nic: NicRequest) -> dict[str, str | None]:
    """What was asked for one NIC of a new server."""
    if nic.port_id is not None:
        return {"port_id": nic.port_id}
    assert nic.network_id is not None
    assert nic.vnic_type is not None
    return {
        "network_id": nic.network_id,
        "vnic_type": nic.vnic_type.value,
        "numa": None if nic.numa_policy is None else nic.numa_policy.value,
    }


def port_dict(view: PortView) -> dict[str, Any]:
    """A port as it is shown."""
    port = view.port
    return {
        "id": port.id,
        "network_id": port.network_id,
        "mac": str(port.mac),
        "vnic_type": port.vnic_type.value,
        "numa": None if port.numa_policy is None else port.numa_policy.value,
        "status": view.status,
        "host": view.host_name,
    }


def created(svc: Services, caller: Caller, request: ServerCreate) -> dict[str, Any]:
    """Make a server and look at it, as clients do; `ports` is None if it is not there."""
    server = create_server(svc, caller, request)
    try:
        return server_dict(get_server(svc, caller, server.id))
    except NotFound:
        return {"id": server.id, "status": server.state.value, "host": None, "ports": None}


def server_dict(view: ServerView) -> dict[str, Any]:
    """A server as it is shown."""
    server = view.server
    return {
        "id": server.id,
        "flavor": server.flavor.name,
        "status": server.state.value,
        "host": None if view.host is None else view.host.name,
        "ports": [port_dict(nic.port) for nic in view.nics],
        "fault": None if server.fault is None else server.fault.message,
    }


def device_dict(view: DeviceView) -> dict[str, Any]:
    """A device as it is shown."""
    held = view.allocation
    return {
        "address": str(view.device.function.address),
        "state": view.state,
        "server_id": None if held is None else held.server_id,
        "port_id": None if held is None else held.port_id,
    }


def report_dict(report: HostReport) -> dict[str, Any]:
    """What a report says of PFs; `pfs` is None if it says nothing."""
    functions = [each.function for each in report.inventory or ()]
    pfs = {
        str(pf.address): {"driver": pf.driver, "fault": pf.fault, "link_up": pf.link_up}
        for pf in functions
        if pf.kind is DeviceKind.PF
    }
    return {
        "host": report.host,
        "run": report.run_id,
        "number": report.number,
        "pfs": None if report.inventory is None else pfs,
    }


def event_dict(event: AuditEvent) -> dict[str, Any]:
    """What the audit trail has of a port."""
    return {"number": event.number, "action": event.action, "port_id": event.port_id}
