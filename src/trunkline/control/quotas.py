"""Quotas: what projects may hold, what they hold, and the refusal of more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import Owned, of_project, require
from trunkline.control.audit import actor_of
from trunkline.control.identity_elsewhere import project_elsewhere
from trunkline.control.lookup import ambiguous
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller, Project
from trunkline.domain.ids import PhysicalNetwork, PortId, ProjectId, ServerId
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.domain.policy.rule import Rule
from trunkline.domain.quota import CABLED, OF_EACH, Amounts, Quota, QuotaExceeded, Resource
from trunkline.domain.server import Server
from trunkline.store.transaction import Transaction

_NOTHING: Final[Amounts] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """What a project may hold of a resource (None: any amount), and holds."""

    limit: int | None
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """A quota with what is held of it now; None: it is every project's, or each one's of many."""

    quota: Quota
    project_name: str | None
    held: int | None


def list_quotas(
    svc: Services, caller: Caller, project_ref: str | None = None, *, by: Rule = rules.LIST_QUOTAS
) -> list[QuotaView]:
    """Return the quotas that hold for a project, by ID or name; all, for an admin who names none.

    A project's are its own and those that all projects have, where it has none of its own.
    """

    def find(tx: Transaction) -> list[QuotaView]:
        if project_ref is None and caller.may_on_all(by):
            return _views(tx, tx.quotas.all())
        project = _visible(svc, tx, caller, project_ref or caller.own_project, by)
        found = tx.quotas.of_project(project.id)
        return _views(tx, [replace(quota, project_id=project.id) for quota in found])

    return svc.store.read(find)


def default_limits(svc: Services) -> dict[Resource, int | None]:
    """Return what projects may hold of each resource that have no quota of their own.

    Quotas that name a physical network are left out. None: any amount.
    """
    found = svc.store.read(lambda tx: tx.quotas.all())
    limits = {resource: _without_quota(resource) for resource in Resource}
    for quota in found:
        if quota.project_id is None and quota.physical_network is None:
            limits[quota.resource] = quota.limit
    return limits


def project_limits(
    svc: Services, caller: Caller, project_ref: str, *, by: Rule = rules.LIST_QUOTAS
) -> tuple[Project, dict[Resource, LimitView]]:
    """Return a project with what it may hold of each resource, and holds.

    Quotas that name a physical network are left out.

    Raises:
        NotFound: There is no such project, or rule `by` does not show it to the caller.
    """

    def read(tx: Transaction) -> tuple[Project, dict[Resource, LimitView]]:
        project = _visible(svc, tx, caller, project_ref, by)
        held: Amounts = tx.quotas.held(project.id)
        limits = {
            quota.resource: quota.limit
            for quota in tx.quotas.of_project(project.id)
            if quota.physical_network is None
        }
        amounts = dict.fromkeys(Resource, 0)
        for (resource, _), amount in held.items():
            amounts[resource] += amount
        return project, {
            resource: LimitView(
                limit=limits.get(resource, _without_quota(resource)), held=amounts[resource]
            )
            for resource in Resource
        }

    return svc.store.read(read)


def set_quotas(
    svc: Services,
    caller: Caller,
    project_ref: str | None,
    limits: Sequence[tuple[Resource, PhysicalNetwork | None, int | None]],
    *,
    below_held: bool = True,
    by: Rule = rules.SET_QUOTA,
) -> list[QuotaView]:
    """Let a project, or each one that has no quota of its own (None), hold so much.

    What a project holds already beyond a limit, it keeps.

    Args:
        svc: The services.
        caller: Who asks.
        project_ref: The project's ID or name.
        limits: A limit of None lets it hold any amount, whatever others may.
        below_held: Whether a limit may be less than what the project holds.
        by: The rule that must allow it.

    Raises:
        Invalid: It may not, and is; or no quota permits so much.
    """
    require(caller, by)
    for resource, _, limit in limits:
        most = OF_EACH[resource].most if resource in OF_EACH else None
        if most is not None and (limit is None or limit > most):
            raise Invalid(resource.value, f"must be 0 to {most}, of each")

    def put(tx: Transaction) -> list[QuotaView]:
        project = None if project_ref is None else _project(svc, tx, caller, project_ref)
        quotas = [
            Quota(
                project_id=None if project is None else project.id, resource=resource,
                physical_network=physical_network, limit=limit,
            )
            for resource, physical_network, limit in limits
        ]  # fmt: skip
        views = _views(tx, quotas)
        for view in () if below_held else views:
            held, limit = view.held or 0, view.quota.limit
            if limit is not None and held > limit:
                raise Invalid(view.quota.resource.value, f"{limit} is less than the {held} held")
        for quota in quotas:
            tx.quotas.put(quota)
            _record(tx, svc, caller, "quota.set", project, quota, limit=quota.limit)
        return views

    return svc.store.write(put)


def unset_quota(
    svc: Services,
    caller: Caller,
    project_ref: str | None,
    resource: Resource,
    physical_network: PhysicalNetwork | None,
) -> None:
    """Take a quota away: what all projects have holds then.

    Raises:
        NotFound: There is none.
    """
    require(caller, rules.UNSET_QUOTA)

    def delete(tx: Transaction) -> None:
        project = None if project_ref is None else _project(svc, tx, caller, project_ref)
        quota = Quota(
            project_id=None if project is None else project.id, resource=resource,
            physical_network=physical_network, limit=0,
        )  # fmt: skip
        if not tx.quotas.delete(quota.project_id, resource, physical_network):
            raise NotFound("quota", f"for {quota.what} of {_whose(project)}")
        _record(tx, svc, caller, "quota.unset", project, quota)

    svc.store.write(delete)


def unset_quotas(
    svc: Services,
    caller: Caller,
    project_ref: str,
    resources: Collection[Resource],
    *,
    by: Rule = rules.UNSET_QUOTA,
) -> int:
    """Take away a project's own quotas of these resources; return how many there were."""
    require(caller, by)

    def delete(tx: Transaction) -> int:
        project = _project(svc, tx, caller, project_ref)
        found = [
            quota
            for quota in tx.quotas.of_project(project.id)
            if quota.project_id is not None and quota.resource in resources
        ]
        for quota in found:
            tx.quotas.delete(project.id, quota.resource, quota.physical_network)
            _record(tx, svc, caller, "quota.unset", project, quota)
        return len(found)

    return svc.store.write(delete)


def require_quota(
    tx: Transaction,
    project_id: ProjectId,
    given: Amounts = _NOTHING,
    *,
    server_ids: Collection[ServerId] = (),
    port_id: PortId | None = None,
) -> None:
    """Raise `QuotaExceeded` if a project may not hold what `tx` has just given it.

    Called once all is stored: until `tx` ends, nobody else can find out how much is left. Only
    what `tx` gave can be too much: a project whose quota was lowered meanwhile keeps what it has.

    Args:
        tx: The transaction.
        project_id: The project.
        given: What it was given, besides devices and guarantees of new allocations.
        server_ids: Servers that were given devices.
        port_id: A port that was given a device.
    """
    names = {resource for (resource, _), amount in given.items() if amount > 0}
    if server_ids or port_id is not None:
        names |= CABLED
    found = [
        quota
        for quota in tx.quotas.of_project(project_id)
        if quota.resource in names and quota.limit is not None
    ]
    if not found:
        return
    tx.quotas.guard(project_id)
    held = tx.quotas.held(project_id, {quota.resource for quota in found})
    for quota in found:
        now = quota.count(held)
        if quota.limit is None or now <= quota.limit:
            continue
        wanted = quota.count(given)
        if server_ids:
            wanted += quota.count(tx.quotas.held_by_servers(project_id, server_ids))
        if port_id is not None:
            wanted += quota.count(tx.quotas.held_by_port(project_id, port_id))
        if wanted > 0:
            raise QuotaExceeded(quota, held=now - wanted, wanted=wanted)


def require_quota_for(tx: Transaction, resource: Resource, made: Sequence[Owned]) -> None:
    """Raise `QuotaExceeded` if a project may not have what `tx` has made of a resource."""
    counts = Counter(ProjectId(thing.project_id) for thing in made)
    for project_id in sorted(counts):
        require_quota(tx, project_id, {(resource, None): counts[project_id]})


def require_of_each(
    tx: Transaction, project_id: ProjectId | None, resource: Resource, *, now: int, added: int
) -> None:
    """Raise `QuotaExceeded` if a group, user or server may not have what `tx` has added to it.

    Whoever calls sees to it that nobody else adds to it until `tx` ends.

    Args:
        tx: The transaction.
        project_id: Whose quota holds; None: that of every project without one of its own.
        resource: One of `OF_EACH`.
        now: How much it has, with what was added.
        added: What was; none: it keeps what it has, whatever the quota says by now.
    """
    if added <= 0:
        return
    quotas = {
        quota.resource: quota.limit
        for quota in (tx.quotas.of_project(project_id) if project_id else tx.quotas.all())
        if project_id or quota.project_id is None
    }
    limit = quotas.get(resource, _without_quota(resource))
    if limit is not None and now > limit:
        quota = Quota(project_id=project_id, resource=resource, physical_network=None, limit=limit)
        raise QuotaExceeded(quota, held=now - added, wanted=added)


def _without_quota(resource: Resource) -> int | None:
    return OF_EACH[resource].without_quota if resource in OF_EACH else None


def sizes_of(servers: Sequence[Server]) -> Amounts:
    """Return what servers count as, wherever they are and whether they run or not."""
    return {
        (Resource.SERVERS, None): len(servers),
        (Resource.CORES, None): sum(server.flavor.vcpus for server in servers),
        (Resource.MEMORY_MIB, None): sum(server.flavor.memory_mib for server in servers),
    }


def _views(tx: Transaction, quotas: Sequence[Quota]) -> list[QuotaView]:
    names = {project.id: project.name for project in tx.identity.all_projects()}
    of_projects = {quota.project_id for quota in quotas if quota.project_id is not None}
    held = {
        project_id: tx.quotas.held(
            project_id, {quota.resource for quota in quotas if quota.project_id == project_id}
        )
        for project_id in of_projects
    }
    return [
        QuotaView(
            quota=quota,
            project_name=None
            if quota.project_id is None
            else names.get(quota.project_id, quota.project_id),
            held=None
            if quota.project_id is None or quota.resource in OF_EACH
            else quota.count(held[quota.project_id]),
        )
        for quota in quotas
    ]


def _record(
    tx: Transaction,
    svc: Services,
    caller: Caller,
    action: str,
    project: Project | None,
    quota: Quota,
    **details: object,
) -> None:
    audit.record(
        tx, actor_of(caller), svc.clock.now(), action, _whose(project),
        project_id=quota.project_id, details={"what": quota.what, **details},
    )  # fmt: skip


def _whose(project: Project | None) -> str:
    return "every project" if project is None else f"project {project.name}"


def _visible(svc: Services, tx: Transaction, caller: Caller, ref: str, by: Rule) -> Project:
    """Find a project by ID or name; one whose quotas the caller may not see is not there."""
    found = _called(svc, tx, caller, ref)
    return _only(tx, ref, [each for each in found if caller.may(by, of_project(each.id))])


def _project(svc: Services, tx: Transaction, caller: Caller, ref: str) -> Project:
    return _only(tx, ref, _called(svc, tx, caller, ref))


def _called(svc: Services, tx: Transaction, caller: Caller, ref: str) -> Sequence[Project]:
    """Return what `ref` may mean: an ID goes before a name, which each domain may have once."""
    if svc.identity_elsewhere is not None:
        return [project_elsewhere(caller, ref)]
    known = tx.identity.find_project(project_id=ref)
    return tx.identity.projects_named(ref) if known is None else [known]


def _only(tx: Transaction, ref: str, found: Sequence[Project]) -> Project:
    if not found:
        raise NotFound("project", ref)
    if len(found) > 1:
        names = tx.domains.names()
        told = [f"{project.id} (domain {names[project.domain_id]})" for project in found]
        raise ambiguous("project", ref, "ID", told)
    return found[0]
