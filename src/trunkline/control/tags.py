"""Tags of networks, subnets, ports and the like: who may change a thing may tag it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from trunkline.control import audit
from trunkline.control.access import require_admin, require_owner, require_visible
from trunkline.control.locking import lock_port
from trunkline.control.races import write_until_won
from trunkline.control.services import Services
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.network import Network, Subnet
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
    return svc.store.read(lambda tx: _visible(tx, caller, kind, id_)[0].tags)


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
        thing, shared = _visible(tx, caller, kind, id_)
        require_owner(caller, thing, kind.value, id_, shared=shared)
        if kind is Kind.QOS_POLICY:
            require_admin(caller, "changing a QoS policy")
        tags = check_tags(change(thing.tags))
        if tags != thing.tags:
            _put(svc, tx, thing, tags)
            audit.record(
                tx, audit.actor_of(caller), svc.clock.now(), f"{kind.name.lower()}.tag",
                f"{kind.value} {id_}", project_id=thing.project_id, details={"tags": tags},
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


def _visible(tx: Transaction, caller: Caller, kind: Kind, id_: str) -> tuple[Tagged, bool]:
    """Return the thing and whether it is shared; what is not to be seen is not there."""
    match kind:
        case Kind.NETWORK:
            network = tx.networks.get(id_)
            thing: Tagged = network
            shared = network.shared
        case Kind.SUBNET:
            thing = tx.subnets.get(id_)
            shared = tx.networks.get(thing.network_id).shared
        case Kind.PORT:
            thing = tx.ports.get(id_)
            # The owner of a network sees every port on it.
            shared = tx.networks.get(thing.network_id).project_id == caller.project_id
        case Kind.QOS_POLICY:
            policy = tx.qos.get(id_)
            thing, shared = policy, policy.shared
        case Kind.SECURITY_GROUP:
            thing, shared = tx.security_groups.get(id_), False
    require_visible(caller, thing, kind.value, id_, shared=shared)
    return thing, shared


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
