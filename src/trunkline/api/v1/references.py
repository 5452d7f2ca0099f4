"""Filters that say which thing they mean by its name, as a person does, or by its ID."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from trunkline.api.listing import Filter
from trunkline.control.capacity import capacity_by_physical_network
from trunkline.control.devices import list_devices
from trunkline.control.hosts import get_host
from trunkline.control.lookup import CANDIDATES_MAX, ambiguous, find_by_id_or_name
from trunkline.control.ports import get_port, list_ports
from trunkline.control.servers import get_server, list_servers
from trunkline.control.services import Services
from trunkline.control.views import PortView, ServerView
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PhysicalNetwork, is_uuid
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules


def find_server(svc: Services, caller: Caller, ref: str) -> ServerView:
    """Return the server that `ref`, an ID or a name, means to the caller."""
    return find_by_id_or_name(
        svc, caller, "server", ref, get=get_server,
        list_=partial(list_servers, all_projects=caller.may(rules.LIST_ALL_SERVERS)),
        id_of=lambda view: view.server.id,
    )  # fmt: skip


def find_port(svc: Services, caller: Caller, ref: str) -> PortView:
    """Return the port that `ref`, an ID or a name, means to the caller."""
    return find_by_id_or_name(
        svc, caller, "port", ref, get=get_port, list_=list_ports, id_of=lambda view: view.port.id
    )


def references(*names: str) -> dict[str, Filter]:
    """Return filters for `resolve_references`: of `server`, `port` and `device`."""
    return {name: Filter(name) for name in names}


def resolve_references(svc: Services, caller: Caller, query: ListQuery) -> ListQuery:
    """Put IDs in the place of what `references` let in; see that what else is named is there.

    Raises:
        NotFound: A name that nothing has: a mistyped one must not look like "there is nothing".
        Invalid: A name that several things have; or one filter is given in two ways.
    """
    equals = dict(query.equals)
    if "host" in equals:
        hosts = (get_host(svc, caller, str(ref)).host.name for ref in equals["host"])
        equals["host"] = tuple(hosts)
    if "physical_network" in equals:
        require_physical_networks(svc, caller, [str(ref) for ref in equals["physical_network"]])
    for name in _ID_OF.keys() & equals.keys():
        by_id = f"{name}_id"
        if by_id in equals:
            raise Invalid(name, f"given beside {by_id}: give one of them")
        refs = equals.pop(name)
        equals[by_id] = tuple(_id(svc, caller, name, str(ref)) for ref in refs)
    return replace(query, equals=equals)


def require_physical_networks(svc: Services, caller: Caller, names: Sequence[str]) -> None:
    """Raise `NotFound` for one that is neither configured nor cabled to any device."""
    others = [PhysicalNetwork(name) for name in names if name not in svc.networking.vlan_ranges]
    for name, found in capacity_by_physical_network(svc, caller, others).items() if others else ():
        if not found.host_count:
            raise NotFound("physical network", name)


def _id(svc: Services, caller: Caller, name: str, ref: str) -> str:
    try:
        return _ID_OF[name](svc, caller, ref)
    except NotFound:
        if is_uuid(ref):
            return ref  # What is gone has left events, and perhaps devices on their way back.
        raise


def _device_id(svc: Services, caller: Caller, ref: str) -> str:
    """Find a device by ``ADDRESS``, or by ``HOST/ADDRESS`` where several hosts have the address."""
    host, _, address = ref.rpartition("/")
    where: dict[str, tuple[object, ...]] = {"address": (address,)}
    if host:
        where["host"] = (host,)
    found = list_devices(svc, caller, ListQuery(equals=where, limit=CANDIDATES_MAX + 1))
    if not found:
        raise NotFound("device", ref)
    if len(found) > 1:
        names = [f"{view.host_name}/{view.device.function.address}" for view in found]
        raise ambiguous("device", ref, "host too", names)
    return found[0].id


_ID_OF: Final[Mapping[str, Callable[[Services, Caller, str], str]]] = MappingProxyType({
    "server": lambda svc, caller, ref: find_server(svc, caller, ref).server.id,
    "port": lambda svc, caller, ref: find_port(svc, caller, ref).port.id,
    "device": _device_id,
})  # fmt: skip
