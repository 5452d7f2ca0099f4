"""Network pools of hosts, for operators."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.v1.queries import any_of, strict_query
from trunkline.control.network_pools import NetworkPoolView, list_pools
from trunkline.control.services import Services
from trunkline.domain.ids import HostName
from trunkline.wire.network_pools import NetworkPoolItem, NetworkPoolList


def list_(svc: Services, request: Request) -> Response:
    """List network pools with how many VFs of each are free; `host`: of these hosts only."""
    query = strict_query(request, any_of("host"))
    names = query.equals.get("host")
    if names is None:
        found = list_pools(svc, request.caller)
    else:
        found = [
            view
            for name in dict.fromkeys(map(str, names))
            for view in list_pools(svc, request.caller, HostName(name))
        ]
    return Response(body=NetworkPoolList(network_pools=tuple(map(_item, found))))


def _item(view: NetworkPoolView) -> NetworkPoolItem:
    return NetworkPoolItem(
        host=view.host,
        name=view.name,
        mode=view.mode.value,
        physical_network=view.physical_network,
        pf_address=view.pf_address,
        vfs=view.vfs,
        held=view.held,
        free=view.free,
        problem=view.problem or None,
    )
