"""Shares: what of one project others may use. Neutron's RBAC policies of ``access_as_shared``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

from trunkline.control import audit
from trunkline.control.access import of_project, require, require_seen, visible_by
from trunkline.control.services import Services
from trunkline.domain.errors import InUse, Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId, ShareId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.qos import QosPolicy
from trunkline.domain.security_group import SecurityGroup
from trunkline.domain.sharing import EVERYBODY, Share, SharedKind
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


class Shareable(Protocol):
    """What can be shared."""

    @property
    def id(self) -> str:
        """Its ID."""
        ...

    @property
    def project_id(self) -> ProjectId:
        """Whose it is."""
        ...


SHARES_MAX: Final = 1000  # Of one thing: all are read whenever one of them changes.


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareCreate:
    """A new share."""

    kind: SharedKind
    object_id: str
    target: str  # A project's ID, or `*`: admins only.


def is_shared(tx: Transaction, caller: Caller, thing: Shareable) -> bool:
    """Say whether another project's thing is shared with the caller's, or with everybody."""
    if caller.project_id is None or caller.project_id == thing.project_id:
        return False  # The owner needs no share.
    return tx.shares.is_shared_with(thing.id, caller.project_id)


def create_share(svc: Services, caller: Caller, asked: ShareCreate) -> Share:
    """Share a thing of the caller's project; admins those of others, and with everybody.

    Raises:
        Forbidden: The policy does not allow it.
        Invalid: There is no such thing, or it is another project's.
        AlreadyExists: It is shared with the target.
        StateConflict: It has as many shares as a thing can have.
    """
    share_id = ShareId(svc.ids.new_id())

    def create(tx: Transaction) -> Share:
        thing = _thing(tx, asked.kind, asked.object_id, Lock.EXCLUSIVE)
        owner = None if thing is None else of_project(thing.project_id)
        if (
            thing is None
            or owner is None
            or not (
                thing.project_id == caller.project_id or caller.may(rules.CREATE_RBAC_POLICY, owner)
            )
        ):
            what = asked.kind.value
            raise Invalid("object_id", f"{what} {asked.object_id} could not be found, or shared")
        require(caller, rules.CREATE_RBAC_POLICY, owner)
        if asked.target == EVERYBODY:
            require(caller, rules.CREATE_RBAC_POLICY_TARGET, owner)
        if len(tx.shares.targets_of(thing.id)) >= SHARES_MAX:
            raise StateConflict(asked.kind.value, thing.id, f"it has {SHARES_MAX} RBAC policies")
        share = Share(
            id=share_id, kind=asked.kind, object_id=thing.id, target=asked.target,
            project_id=thing.project_id,
        )  # fmt: skip
        tx.shares.insert(share)
        _follow(tx, svc, thing)
        _record(tx, svc, caller, "share.create", share)
        return share

    return svc.store.write(create)


def get_share(svc: Services, caller: Caller, share_id: str) -> Share:
    """Return a share of what is the caller's project's."""
    return svc.store.read(lambda tx: _visible(tx, caller, share_id))


def list_shares(svc: Services, caller: Caller, query: ListQuery) -> list[Share]:
    """Return a page of the shares of what is the caller's project's."""
    query = replace(query, visible_to=visible_by(caller, rules.GET_RBAC_POLICY))
    return svc.store.read(lambda tx: tx.shares.page(query))


def update_share(svc: Services, caller: Caller, share_id: str, target: str) -> Share:
    """Share a thing with another project instead.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such share of the caller's project.
        InUse: The project that it is shared with uses it.
        AlreadyExists: It is shared with the new target.
    """

    def update(tx: Transaction) -> Share:
        share, thing = _locked(tx, caller, share_id, rules.UPDATE_RBAC_POLICY)
        if target == EVERYBODY:
            require(caller, rules.UPDATE_RBAC_POLICY_TARGET, of_project(share.project_id))
        changed = replace(share, target=target)
        if changed != share:
            tx.shares.update(changed)
            left = tx.shares.targets_of(share.object_id) - {target}
            _require_covered(tx, share, thing, left)
            _follow(tx, svc, thing)
            _record(tx, svc, caller, "share.update", changed)
        return changed

    return svc.store.write(update)


def delete_share(svc: Services, caller: Caller, share_id: str) -> None:
    """Share a thing no more with a project, or with everybody.

    Raises:
        Forbidden: The policy does not allow it.
        NotFound: There is no such share of the caller's project.
        InUse: A project uses it that it is then not shared with.
    """

    def delete(tx: Transaction) -> None:
        share, thing = _locked(tx, caller, share_id, rules.DELETE_RBAC_POLICY)
        tx.shares.delete(share)
        _require_covered(tx, share, thing, tx.shares.targets_of(share.object_id))
        _follow(tx, svc, thing)
        _record(tx, svc, caller, "share.delete", share)

    svc.store.write(delete)


def share_with_everybody(
    tx: Transaction, svc: Services, thing: Network | QosPolicy, *, shared: bool
) -> None:
    """Have a thing shared with everybody, or no more, as its own field says.

    Raises:
        InUse: A project uses it that it is then not shared with.
    """
    kind = SharedKind.NETWORK if isinstance(thing, Network) else SharedKind.QOS_POLICY
    targets = tx.shares.targets_of(thing.id)
    share = Share(
        id=ShareId(svc.ids.new_id()), kind=kind, object_id=thing.id, target=EVERYBODY,
        project_id=thing.project_id,
    )  # fmt: skip
    if shared and EVERYBODY not in targets:
        tx.shares.insert(share)
    if not shared and EVERYBODY in targets:
        tx.shares.delete_with(thing.id, EVERYBODY)
        _require_covered(tx, share, thing, targets - {EVERYBODY})


def _thing(
    tx: Transaction, kind: SharedKind, object_id: str, lock: Lock
) -> Network | QosPolicy | SecurityGroup | None:
    try:
        match kind:
            case SharedKind.NETWORK:
                return tx.networks.get(object_id, lock)
            case SharedKind.QOS_POLICY:
                return tx.qos.get(object_id, lock)
            case SharedKind.SECURITY_GROUP:
                return tx.security_groups.get(object_id, lock)
    except NotFound:
        return None


def _locked(
    tx: Transaction, caller: Caller, share_id: str, by: Rule
) -> tuple[Share, Network | QosPolicy | SecurityGroup]:
    """Return a share, and what is shared: both change no more until the transaction ends."""
    share = _visible(tx, caller, share_id)
    require(caller, by, of_project(share.project_id))
    thing = _thing(tx, share.kind, share.object_id, Lock.EXCLUSIVE)
    if thing is None:  # Deleted just now, and the share with it.
        raise NotFound("RBAC policy", share.id)
    return tx.shares.get(share_id), thing  # As it is by now, if the lock was waited for.


def _visible(tx: Transaction, caller: Caller, share_id: str) -> Share:
    share = tx.shares.get(share_id)
    owner = of_project(share.project_id)
    require_seen(caller, rules.GET_RBAC_POLICY, owner, "RBAC policy", share_id)
    return share


def _require_covered(
    tx: Transaction, ended: Share, thing: Shareable, targets: Collection[str]
) -> None:
    """Raise `InUse` if a project uses a thing that is neither its own nor shared with it.

    Args:
        tx: The transaction that ends a share of the thing.
        ended: It. What all could use, its owner counts among those, as in Neutron; but of networks.
        thing: What was shared.
        targets: With whom it is shared still.
    """
    if EVERYBODY in targets:
        return
    using = tx.shares.projects_using(ended.kind, thing.id) - {*targets}
    if ended.target != EVERYBODY or ended.kind is SharedKind.NETWORK:
        using -= {thing.project_id}
    if using:
        raise InUse(ended.kind.value.replace("_", " "), thing.id, f"project {min(using)} uses it")


def _follow(tx: Transaction, svc: Services, thing: Network | QosPolicy | SecurityGroup) -> None:
    """Have a thing say of itself whether it is shared with everybody; its revision rises."""
    now, revision = svc.clock.now(), thing.revision + 1
    everybody = EVERYBODY in tx.shares.targets_of(thing.id)
    match thing:
        case Network():
            changed = replace(thing, shared=everybody, updated_at=now, revision=revision)
            tx.networks.update(changed, seen_revision=thing.revision)
        case QosPolicy():
            policy = replace(thing, shared=everybody, updated_at=now, revision=revision)
            tx.qos.update(policy, seen=thing)
        case SecurityGroup():
            group = replace(thing, updated_at=now, revision=revision)
            tx.security_groups.update(group, seen=thing)


def _record(tx: Transaction, svc: Services, caller: Caller, action: str, share: Share) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action,
        f"{share.kind.value} {share.object_id}",
        project_id=share.project_id, details={"share_id": share.id, "target": share.target},
    )  # fmt: skip
