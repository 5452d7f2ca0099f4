"""Quotas: what projects may hold, what they hold, and the refusal of more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from trunkline.control import audit
from trunkline.control.access import require_admin
from trunkline.control.audit import actor_of
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import NotFound
from trunkline.domain.identity import Caller, Project
from trunkline.domain.ids import PhysicalNetwork, PortId, ProjectId, ServerId
from trunkline.domain.quota import Quota, QuotaExceeded
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """A quota with what is held of it now."""

    quota: Quota
    project_name: str
    held: int


def list_quotas(svc: Services, caller: Caller, project_ref: str | None = None) -> list[QuotaView]:
    """Return the quotas of a project, by ID or name; of all for an admin who names none."""

    def find(tx: Transaction) -> list[QuotaView]:
        projects = {project.id: project for project in tx.identity.all_projects()}
        if project_ref is not None or not caller.is_admin:
            project = _project(tx, caller, project_ref or caller.own_project)
            found = tx.quotas.of_project(project.id)
        else:
            found = tx.quotas.all()
        held = {project_id: tx.quotas.held(project_id) for project_id in _projects_of(found)}
        return [
            QuotaView(
                quota=quota,
                project_name=projects[quota.project_id].name,
                held=_count(quota, held[quota.project_id]),
            )
            for quota in found
        ]

    return svc.store.read(find)


def set_quota(
    svc: Services,
    caller: Caller,
    project_ref: str,
    kind: DeviceKind,
    physical_network: PhysicalNetwork | None,
    limit: int,
) -> QuotaView:
    """Let a project hold so many devices. What it holds already beyond that, it keeps."""
    require_admin(caller, "setting a quota")

    def put(tx: Transaction) -> QuotaView:
        project = _project(tx, caller, project_ref)
        quota = Quota(
            project_id=project.id, kind=kind, physical_network=physical_network, limit=limit
        )
        tx.quotas.put(quota)
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "quota.set", f"project {project.name}",
            project_id=project.id, details={"what": quota.what, "limit": limit},
        )  # fmt: skip
        held = _count(quota, tx.quotas.held(project.id))
        return QuotaView(quota=quota, project_name=project.name, held=held)

    return svc.store.write(put)


def unset_quota(
    svc: Services,
    caller: Caller,
    project_ref: str,
    kind: DeviceKind,
    physical_network: PhysicalNetwork | None,
) -> None:
    """Let a project hold any number again; raise `NotFound` if there is no such quota."""
    require_admin(caller, "removing a quota")

    def delete(tx: Transaction) -> None:
        project = _project(tx, caller, project_ref)
        if not tx.quotas.delete(project.id, kind, physical_network):
            where = f" on {physical_network}" if physical_network else ""
            raise NotFound("quota", f"{kind.value}{where} of project {project.name}")
        audit.record(
            tx, actor_of(caller), svc.clock.now(), "quota.unset", f"project {project.name}",
            project_id=project.id,
            details={"kind": kind.value, "physical_network": physical_network},
        )  # fmt: skip

    svc.store.write(delete)


def require_quota(
    tx: Transaction,
    project_id: ProjectId,
    *,
    server_ids: Collection[ServerId] = (),
    port_id: PortId | None = None,
) -> None:
    """Raise `QuotaExceeded` if a project may not hold what it was just given.

    Only what `tx` gave to these servers, or this port, can be too much: a project whose quota was
    lowered meanwhile keeps what it has. Called once the devices are held: until `tx` ends, nobody
    else can find out how much is left.
    """
    found = tx.quotas.of_project(project_id, Lock.EXCLUSIVE)
    if not found:
        return
    held = tx.quotas.held(project_id)
    for quota in found:
        now = _count(quota, held)
        if now > quota.limit:
            given = tx.quotas.held(project_id, server_ids=server_ids, port_id=port_id)
            wanted = _count(quota, given)
            if wanted:
                raise QuotaExceeded(quota, held=now - wanted, wanted=wanted)


def _count(quota: Quota, devices: Counter[tuple[DeviceKind, PhysicalNetwork | None]]) -> int:
    return sum(count for each, count in devices.items() if quota.counts(*each))


def _projects_of(quotas: Iterable[Quota]) -> set[ProjectId]:
    return {quota.project_id for quota in quotas}


def _project(tx: Transaction, caller: Caller, ref: str) -> Project:
    """Find a project by ID or name; another's is not there for a tenant."""
    project = tx.identity.find_project(project_id=ref) or tx.identity.find_project(name=ref)
    if project is None or not (caller.is_admin or project.id == caller.project_id):
        raise NotFound("project", ref)
    return project
