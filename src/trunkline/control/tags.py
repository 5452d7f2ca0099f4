"""Tags of networks, subnets, ports and the like: who may change a thing may tag it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from trunkline.control import audit
from trunkline.control.access import of_project, on_network, require, require_seen
from trunkline.control.locking import lock_port
from trunkline.control.races import write_until_won
from trunkline.control.services import Services
from trunkline.control.sharing import is_shared
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.network import Network, Subnet
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.policy.language import Target
from trunkline.domain.policy.rule import Rule
from trunkline.domain.port import Port
from trunkline.domain.qos import QosPolicy
from trunkline.domain.security_group import SecurityGroup
from trunkline.domain.tags import check_tags
from trunkline.store.transaction import Transaction

Tagged: TypeAlias = Network | Subnet | Port | QosPolicy | SecurityGroup


class Kind(enum.Enum):
    """What can have tags; the values are what people are told that it is."""

    NETWORK = "network"
    SUBNET = "subnet"
    PORT = "port"
    QOS_POLICY = "QoS policy"
    SECURITY_GROUP = "security group"


def get_tags(svc: Services, caller: Caller, kind: Kind, id_: str) -> tuple[str, ...]:
    """Return the tags of a thing that the caller may see."""
    return svc.store.read(lambda tx: _seen(tx, caller, kind, id_).thing.tags)


def set_tags(
    svc: Services,
    caller: Caller,
    kind: Kind,
    id_: str,
    change: Callable[[tuple[str, ...]], tuple[str, ...]],
) -> tuple[str, ...]:
    """Give a thing the tags that `change` makes of those it has; return them.

    Raises:
        Invalid: A tag can't be, or there are too many.
    """

    def update(tx: Transaction) -> tuple[str, ...]:
        if kind is Kind.PORT:
            lock_port(tx, id_)
        found = _seen(tx, caller, kind, id_)
        require(caller, found.update, found.target)
        tags = check_tags(change(found.thing.tags))
        if tags != found.thing.tags:
            _put(svc, tx, found.thing, tags)
            audit.record(
                tx, audit.actor_of(caller), svc.clock.now(), f"{kind.name.lower()}.tag",
                f"{kind.value} {id_}", project_id=found.thing.project_id, details={"tags": tags},
            )  # fmt: skip
        return tags

    return write_until_won(svc.store, update)


def without(tag: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Return the change that takes one tag away; it raises `NotFound` if it is not there."""

    def change(tags: tuple[str, ...]) -> tuple[str, ...]:
        if tag not in tags:
            raise NotFound("tag", tag)
        return tuple(each for each in tags if each != tag)

    return change


@dataclass(frozen=True, slots=True)
class _Found:
    thing: Tagged
    target: Target
    see: Rule
    update: Rule
    shared: bool = False


def _seen(tx: Transaction, caller: Caller, kind: Kind, id_: str) -> _Found:
    """Return the thing; what is not to be seen is not there."""
    found = _find(tx, caller, kind, id_)
    require_seen(caller, found.see, found.target, kind.value, id_, shared=found.shared)
    return found


def _find(tx: Transaction, caller: Caller, kind: Kind, id_: str) -> _Found:
    match kind:
        case Kind.NETWORK:
            network = tx.networks.get(id_)
            owner = of_project(network.project_id)
            see, update = rules.GET_NETWORK, rules.UPDATE_NETWORK
            return _Found(network, owner, see, update, is_shared(tx, caller, network))
        case Kind.SUBNET:
            subnet = tx.subnets.get(id_)
            network = tx.networks.get(subnet.network_id)
            owner = on_network(subnet.project_id, network)
            see, update = rules.GET_SUBNET, rules.UPDATE_SUBNET
            return _Found(subnet, owner, see, update, is_shared(tx, caller, network))
        case Kind.PORT:
            port = tx.ports.get(id_)
            owner = on_network(port.project_id, tx.networks.get(port.network_id))
            return _Found(port, owner, rules.GET_PORT, rules.UPDATE_PORT)
        case Kind.QOS_POLICY:
            policy = tx.qos.get(id_)
            owner = of_project(policy.project_id)
            see, update = rules.GET_POLICY, rules.UPDATE_POLICY
            return _Found(policy, owner, see, update, is_shared(tx, caller, policy))
        case Kind.SECURITY_GROUP:
            group = tx.security_groups.get(id_)
            owner = of_project(group.project_id)
            see, update = rules.GET_SECURITY_GROUP, rules.UPDATE_SECURITY_GROUP
            return _Found(group, owner, see, update, is_shared(tx, caller, group))


def _put(svc: Services, tx: Transaction, thing: Tagged, tags: tuple[str, ...]) -> None:
    now, revision = svc.clock.now(), thing.revision + 1
    match thing:
        case Network():
            network = replace(thing, tags=tags, updated_at=now, revision=revision)
            tx.networks.update(network, seen_revision=thing.revision)
        case Subnet():
            subnet = replace(thing, tags=tags, updated_at=now, revision=revision)
            tx.subnets.update(subnet, seen_revision=thing.revision)
        case Port():
            port = replace(thing, tags=tags, updated_at=now, revision=revision)
            tx.ports.update(port, seen=thing)
        case QosPolicy():
            policy = replace(thing, tags=tags, updated_at=now, revision=revision)
            tx.qos.update(policy, seen=thing)
        case SecurityGroup():
            group = replace(thing, tags=tags, updated_at=now, revision=revision)
            tx.security_groups.update(group, seen=thing)
