"""Who may use a flavor that is not public: projects, named by admins."""

from __future__ import annotations

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.ids import ProjectId
from trunkline.domain.policy import compute_rules as rules
from trunkline.store.transaction import Transaction


def projects_with_access(svc: Services, caller: Caller, flavor_id: str) -> list[ProjectId]:
    """Return who may use a private flavor.

    Raises:
        NotFound: There is no such flavor, or it is public: there is no list then.
    """
    require(caller, rules.SEE_PRIVATE_FLAVORS)

    def read(tx: Transaction) -> list[ProjectId]:
        flavor = tx.flavors.get(flavor_id)
        if flavor.is_public:
            raise NotFound("access list of the public flavor", flavor_id)
        return tx.flavors.projects_with_access(flavor.id)

    return svc.store.read(read)


def give_access(
    svc: Services, caller: Caller, flavor_id: str, project: str, *, public_too: bool
) -> list[ProjectId]:
    """Let a project use a private flavor; return who may then.

    Args:
        svc: The services.
        caller: Who asks.
        flavor_id: The flavor.
        project: The project's ID.
        public_too: Note it for a public flavor, too, as Nova did before 2.7.

    Raises:
        Invalid: There is no such project.
        AlreadyExists: It has access.
        StateConflict: The flavor is public.
    """
    require(caller, rules.GIVE_FLAVOR_ACCESS)

    def give(tx: Transaction) -> list[ProjectId]:
        flavor = tx.flavors.get(flavor_id)
        _require_project(tx, project)
        if flavor.is_public and not public_too:
            raise StateConflict("flavor", flavor_id, "it is public: everybody has access to it")
        tx.flavors.give_access(flavor.id, ProjectId(project))
        _record(svc, tx, caller, "flavor.give_access", flavor_id, project)
        return tx.flavors.projects_with_access(flavor.id)

    return svc.store.write(give)


def take_access(svc: Services, caller: Caller, flavor_id: str, project: str) -> list[ProjectId]:
    """Take a project's access away; return who still may. Servers already made stay.

    Raises:
        Invalid: There is no such project.
        NotFound: It has no access.
    """
    require(caller, rules.TAKE_FLAVOR_ACCESS)

    def take(tx: Transaction) -> list[ProjectId]:
        flavor = tx.flavors.get(flavor_id)
        _require_project(tx, project)
        if not tx.flavors.take_access(flavor.id, ProjectId(project)):
            raise NotFound(f"access of project {project} to flavor", flavor_id)
        _record(svc, tx, caller, "flavor.take_access", flavor_id, project)
        return tx.flavors.projects_with_access(flavor.id)

    return svc.store.write(take)


def _require_project(tx: Transaction, project: str) -> None:
    """Refuse what is no project, as Nova does: a typing error would go unnoticed."""
    if tx.identity.find_project(project_id=project) is None:
        raise Invalid("tenant", f"{project[:60]!r} is not a valid project")


def _record(
    svc: Services, tx: Transaction, caller: Caller, action: str, flavor_id: str, project: str
) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action, f"flavor {flavor_id}",
        details={"project": project},
    )  # fmt: skip
