"""Hosts, for operators."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response, json_list
from trunkline.api.listing import Filter, boolean
from trunkline.api.parsing import body_fields
from trunkline.api.v1.queries import any_of, strict_query
from trunkline.control import hosts
from trunkline.control.services import Services
from trunkline.control.views import HostView
from trunkline.domain.numa import NumaNode, NumaUse
from trunkline.wire.v1 import HostItem, NumaNodeItem

_FILTERS: Final = {**any_of("name"), "enabled": Filter("enabled", boolean)}
_REASON_CHARACTERS_MAX: Final = 1000


def list_(svc: Services, request: Request) -> Response:
    """List hosts, by name."""
    query = strict_query(request, _FILTERS)
    return json_list(
        "hosts", [host_item(view) for view in hosts.list_hosts(svc, request.caller, query)]
    )


def show(svc: Services, request: Request) -> Response:
    """Show a host, by name or ID."""
    view = hosts.get_host(svc, request.caller, request.params["name"])
    return Response(body=host_item(view))


def change(svc: Services, request: Request) -> Response:
    """Enable or disable a host."""
    fields = body_fields(request)
    fields.require_only(("enabled", "reason"))
    view = hosts.get_host(svc, request.caller, request.params["name"])
    changed = hosts.set_host_enabled(
        svc,
        request.caller,
        view.host.name,
        enabled=fields.boolean("enabled"),
        reason=fields.text("reason", None, length_max=_REASON_CHARACTERS_MAX),
    )
    return Response(body=host_item(changed))


def host_item(view: HostView) -> HostItem:
    """Render a host."""
    host, resources = view.host, view.host.resources
    return HostItem(
        id=host.id,
        name=host.name,
        enabled=host.enabled,
        disabled_reason=host.disabled_reason,
        up=view.up,
        problem=host.problem or None,
        last_seen=host.last_seen,
        generation=host.generation,
        applied_generation=host.applied_generation,
        address=resources.address,
        vcpus=resources.vcpus,
        vcpus_used=view.use.vcpus,
        memory_mib=resources.memory_mib,
        memory_mib_used=view.use.memory_mib,
        disk_gib=resources.disk_gib,
        disk_gib_used=view.use.disk_gib,
        server_count=view.server_count,
        out_of_service=view.out_of_service,
        bridges={str(name): bridge for name, bridge in resources.bridges.items()},
        numa_nodes=tuple(
            _node_item(node, view.use.numa.get(node.number, NumaUse(0, 0)))
            for node in sorted(resources.numa_nodes, key=lambda node: node.number)
        ),
    )


def _node_item(node: NumaNode, use: NumaUse) -> NumaNodeItem:
    return NumaNodeItem(
        number=node.number,
        socket=node.socket,
        cpus=node.cpus,
        vcpus=node.vcpus,
        vcpus_used=use.vcpus,
        memory_mib=node.memory_mib,
        memory_mib_used=use.memory_mib,
    )
