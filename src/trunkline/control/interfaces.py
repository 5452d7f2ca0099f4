"""NICs of a server that there is: attached to it, and detached from it.

To attach a NIC is a claim: in one transaction placement chooses on the server's host, and what it
chose is taken. A guest that runs is given it, or rid of it, by its host; what comes of that is
taken in with the host's reports (`settle_nics`). Until a guest is known not to have a NIC any more,
its port stays bound, and its device held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Final

from trunkline.control import audit
from trunkline.control.access import of_server, require
from trunkline.control.audit import Actor, actor_of
from trunkline.control.binding import release_binding
from trunkline.control.binding_check import check_choices
from trunkline.control.building import plug_nic
from trunkline.control.demands import placement_request
from trunkline.control.fleet import TooFew
from trunkline.control.generations import raise_generation
from trunkline.control.nics import DEVICE_KINDS, Nic, resolve_nics
from trunkline.control.own_servers import unlocked_server
from trunkline.control.port_devices import joined_match
from trunkline.control.ports import unplug_port
from trunkline.control.quotas import require_quota
from trunkline.control.races import deciding_again, write_until_won
from trunkline.control.requests import NicPolicy, NicRequest
from trunkline.control.servers import get_server, server_views
from trunkline.control.services import Services
from trunkline.control.turns import place_in_turn
from trunkline.control.views import NicView, ServerView
from trunkline.domain.binding import BINDING, Binding, BindingEvent, BindingState
from trunkline.domain.errors import (
    DeviceTaken,
    Invalid,
    LimitReached,
    NicNotPlaced,
    NotFound,
    StateConflict,
)
from trunkline.domain.host import Host, HostUse
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PortId
from trunkline.domain.nic_rules import NicRule
from trunkline.domain.pci_flavor import Condition, How
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.port import Port
from trunkline.domain.quota import Amounts, Resource
from trunkline.domain.server import GuestPlaces, Server, ServerState
from trunkline.placement.asks.request import NotPlaced
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction

NICS_MAX: Final = 64  # Of a server, as when it is made.
_CHANGEABLE: Final = (ServerState.ACTIVE, ServerState.SHUTOFF)


def list_interfaces(svc: Services, caller: Caller, server_id: str) -> ServerView:
    """Return a server for its NICs."""
    view = get_server(svc, caller, server_id)
    require(caller, rules.LIST_INTERFACES, of_server(view.server))
    return view


def show_interface(
    svc: Services, caller: Caller, server_id: str, port_id: str
) -> tuple[ServerView, NicView]:
    """Return one NIC of a server, with the server."""
    view = get_server(svc, caller, server_id)
    require(caller, rules.SHOW_INTERFACE, of_server(view.server))
    return view, _nic_of(view, port_id)


def attach_interface(
    svc: Services, caller: Caller, server_id: str, asked: NicRequest | None
) -> tuple[ServerView, NicView]:
    """Give a server one NIC more; None: on the one network that its project can see.

    When this returns, its device is held and durable; a guest that runs is given it by its host.

    Raises:
        StateConflict: The server is neither running nor stopped.
        NicNotPlaced: Its host has nothing for the NIC.
        NotFound, InUse, Invalid, QosNotSupported: As for a new server's NICs.
        QuotaExceeded: The project may not hold so much.
    """

    def attach(tx: Transaction) -> tuple[ServerView, NicView]:
        placed_on = tx.servers.get(server_id).host_id
        if placed_on is not None:
            tx.hosts.take_turn(placed_on, waits=True)  # Before its row is locked, as who places.
        server = _changeable(tx, caller, server_id, rules.ATTACH_INTERFACE, "attach_interface")
        if len(server.port_ids) >= NICS_MAX:
            raise LimitReached("NICs of a server", NICS_MAX)
        wanted = NicPolicy.AUTO if asked is None else [asked]
        nics = resolve_nics(tx, svc, caller, wanted, project_id=server.project_id)
        if not nics:
            raise Invalid("interfaceAttachment", "no network can be seen: name one, or a port")
        actor = actor_of(caller)
        port, host, seen = _claim(tx, svc, actor, server, nics[0])
        binding = tx.bindings.of_ports([port.id])[port.id]
        tx.bindings.update(replace(binding, generation=seen + 1))
        server = _with_nic(svc, server, port.id, nics[0].tag)
        tx.servers.update(server)
        made: Amounts = {(Resource.PORTS, None): 1} if nics[0].port is None else {}
        given_device = port.id if nics[0].claim is None else None
        require_quota(tx, port.project_id, made, port_id=given_device)
        audit.record(
            tx, actor, svc.clock.now(), "server.attach_interface", f"server {server.id}",
            project_id=server.project_id, host=host.name, server_id=server.id, port_id=port.id,
            details={"port": port.id},
        )  # fmt: skip
        view = server_views(tx, svc, [server])[0]
        return view, _nic_of(view, port.id)

    return deciding_again(svc, attach)


def detach_interface(svc: Services, caller: Caller, server_id: str, port_id: str) -> None:
    """Take a NIC from a server. One that runs has it until its guest has let go of it.

    To ask for that again changes nothing.
    """

    def detach(tx: Transaction) -> None:
        server = _changeable(tx, caller, server_id, rules.DETACH_INTERFACE, "detach_interface")
        binding = tx.bindings.of_ports([PortId(port_id)]).get(PortId(port_id))
        if binding is None or binding.server_id != server.id:
            raise NotFound("port of the server", port_id)
        if binding.state is BindingState.DETACHING:
            return
        actor = actor_of(caller)
        host = tx.hosts.get(binding.host_id)
        audit.record(
            tx, actor, svc.clock.now(), "server.detach_interface", f"server {server.id}",
            project_id=server.project_id, host=host.name, server_id=server.id, port_id=port_id,
            details={"port": port_id},
        )  # fmt: skip
        if server.state is ServerState.SHUTOFF:
            let_go_of_nic(tx, svc, actor, server, binding, reason="detached")
            return
        raise_generation(tx, svc, host)
        tx.bindings.update(
            replace(
                binding,
                state=BINDING.advance(binding.state, BindingEvent.DETACH),
                generation=tx.hosts.get(host.id).generation,
            )
        )

    write_until_won(svc.store, detach)


def let_go_of_nic(
    tx: Transaction, svc: Services, actor: Actor, server: Server, binding: Binding, *, reason: str
) -> Server:
    """Part a NIC that no guest has from its server; its device goes on its way back.

    A port that the server had made is deleted, any other is left unbound.
    """
    release_binding(tx, svc, actor, binding, reason=reason)
    for port in tx.ports.get_many([binding.port_id], Lock.EXCLUSIVE):
        unplug_port(tx, svc, port)
    raise_generation(tx, svc, tx.hosts.get(binding.host_id))
    server = _without_nic(svc, server, binding.port_id)
    tx.servers.update(server)
    return server


def _changeable(tx: Transaction, caller: Caller, server_id: str, rule: Rule, action: str) -> Server:
    server = unlocked_server(tx, caller, server_id, rule)
    if server.state not in _CHANGEABLE or server.host_id is None:
        raise StateConflict(
            "server", server_id,
            f"Cannot '{action}' while it is in vm_state {server.state.value.lower()}",
        )  # fmt: skip
    return server


def _claim(
    tx: Transaction, svc: Services, actor: Actor, server: Server, nic: Nic
) -> tuple[Port, Host, int]:
    """Have placement choose on the server's host, and take what it chose.

    Returns:
        The port, the host, and the host's generation that was decided from.
    """
    assert server.host_id is not None, "it is running or stopped"
    host = tx.hosts.get(server.host_id)
    demanded = [_demanded(server, nic)]
    request = placement_request(tx, svc, demanded, None, host=host.name)
    request = replace(request, even_disabled=True)
    found = place_in_turn(tx, svc, request, least=1, most=1)
    if isinstance(found, TooFew):
        raise NicNotPlaced(server.id, _why_not(found.refused))
    ((host, (held,)),) = found
    wanted = {choice.device for choice in held.placed.choices if choice.device is not None}
    devices = tx.devices.named(wanted)
    gone = wanted - devices.keys()
    if gone:  # Its host has reported so.
        raise DeviceTaken(min(ref.kin_id for ref in gone), "it is gone", host_id=host.id)
    choices = check_choices(svc, demanded, held.placed, devices)
    if isinstance(choices, str):
        raise NicNotPlaced(server.id, choices)
    seen = held.placed.seen_generation
    tx.hosts.give_room(host.id, HostUse(0, 0, 0), servers=1, seen=seen)
    tx.on_commit(lambda: svc.wake_host(host.name))
    port = plug_nic(tx, svc, actor, server, host, nic, choices.get(nic.name), devices)
    return port, host, seen


def _demanded(server: Server, nic: Nic) -> Nic:
    """Return `nic` as it is asked for beside what the server has: its guest's node is given."""
    policy = nic.numa_policy or server.numa_policy
    if DEVICE_KINDS[nic.vnic_type] is None or nic.claim is not None:
        return nic
    # The device of a guest that runs is programmed before it is given it: libvirt chooses none.
    alone = replace(nic, numa_policy=None, by_address=server.state is ServerState.ACTIVE)
    if policy is None or not policy.confines:
        return alone
    if server.numa_node is None:
        raise Invalid(
            "port_id",
            f"NUMA policy {policy.value} needs a guest that is confined to a node, and this one "
            "was made without; give the NIC to a new server",
        )
    node = Condition("numa_node", How.EXACT, (str(server.numa_node),))
    return replace(alone, match=joined_match(nic.match, (node,)))


def _why_not(refused: NotPlaced) -> str:
    """Say what its host lacks: reasons alone, as whoever asks need not be an admin."""
    host = refused.explanation.asked_for
    if host is None:
        return "it is gone"
    reasons = [*host.reasons, *(nic.reason for nic in host.nics)]
    return ", ".join(dict.fromkeys(reason.value.replace("_", " ") for reason in reasons))


def _with_nic(svc: Services, server: Server, port_id: PortId, tag: str | None) -> Server:
    places = server.guest_places
    devices = sum(request.count for request in server.pci_requests)
    taken = {*places.nics.values(), *range(places.first_device, places.first_device + devices)}
    free = next(place for place in count() if place not in taken)
    return replace(
        server,
        port_ids=(*server.port_ids, port_id),
        places=replace(places, nics={**places.nics, port_id: free}),
        nic_tags={**server.nic_tags, **({} if tag is None else {port_id: tag})},
        updated_at=svc.clock.now(),
    )


def _without_nic(svc: Services, server: Server, port_id: PortId) -> Server:
    places = server.guest_places
    kept = {each: place for each, place in places.nics.items() if each != port_id}
    return replace(
        server,
        port_ids=tuple(each for each in server.port_ids if each != port_id),
        places=GuestPlaces(nics=kept, first_device=places.first_device),
        nic_tags={each: tag for each, tag in server.nic_tags.items() if each != port_id},
        nic_rules=_rules_without(server.nic_rules, server.port_ids.index(port_id)),
        updated_at=svc.clock.now(),
    )


def _rules_without(kept: Sequence[NicRule], number: int) -> tuple[NicRule, ...]:
    """Return rules over NICs that are numbered anew, with one of them gone."""
    moved = (
        replace(rule, nics=tuple(each - (each > number) for each in rule.nics if each != number))
        for rule in kept
    )
    return tuple(rule for rule in moved if len(rule.nics) > 1)


def _nic_of(view: ServerView, port_id: str) -> NicView:
    for nic in view.nics:
        if nic.port.port.id == port_id:
            return nic
    raise NotFound("port of the server", port_id)
