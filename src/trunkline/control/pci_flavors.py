"""PCI flavors: made and changed by admins while servers run, used by everybody by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.requests import UNSET, Unset
from trunkline.control.services import Services
from trunkline.domain.errors import InUse, Invalid
from trunkline.domain.identity import Caller
from trunkline.domain.ids import PciFlavorId
from trunkline.domain.listing import ListQuery
from trunkline.domain.pci_flavor import DeviceMatch, PciFlavor, match_text
from trunkline.domain.pci_flavor_parsing import parse_match
from trunkline.domain.pci_request import (
    ALIAS_KEY,
    DEVICES_MAX,
    NAME,
    PCI_FLAVOR_KEY,
    PciRequest,
    Term,
    parse_terms,
    request_for,
    requests_by_class,
)
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.transaction import Transaction

DESCRIPTION_CHARS_MAX: Final = 65_535  # As of the flavors of servers.


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavorCreate:
    """A new PCI flavor; `match` as it was sent."""

    name: str
    match: object
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PciFlavorUpdate:
    """Changes to a PCI flavor; UNSET leaves a field alone."""

    match: object | Unset = UNSET
    description: str | Unset = UNSET


def create_pci_flavor(svc: Services, caller: Caller, asked: PciFlavorCreate) -> PciFlavor:
    """Make a PCI flavor.

    Raises:
        Forbidden: The caller is no admin.
        Invalid: The name is malformed.
        InvalidMatch: The expression is.
        AlreadyExists: The name is taken.
    """
    require(caller, rules.CREATE_PCI_FLAVOR)
    if not NAME.fullmatch(asked.name):
        raise Invalid(
            "name", "has 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first"
        )
    _check_description(asked.description)
    at = svc.clock.now()
    flavor = PciFlavor(
        id=PciFlavorId(svc.ids.new_id()),
        name=asked.name,
        description=asked.description,
        alternatives=parse_match(asked.match, svc.pci.attributes),
        created_at=at,
        updated_at=at,
    )

    def create(tx: Transaction) -> PciFlavor:
        tx.pci_flavors.insert(flavor)
        _audit(tx, svc, caller, "pci_flavor.create", flavor)
        return flavor

    return svc.store.write(create)


def get_pci_flavor(svc: Services, caller: Caller, flavor_id: str) -> PciFlavor:
    """Return a PCI flavor; raise `NotFound` if there is none. Everybody sees all of them."""
    del caller
    return svc.store.read(lambda tx: tx.pci_flavors.get(flavor_id))


def list_pci_flavors(svc: Services, caller: Caller, query: ListQuery) -> list[PciFlavor]:
    """Return one page of PCI flavors."""
    del caller
    return svc.store.read(lambda tx: tx.pci_flavors.page(query))


def update_pci_flavor(
    svc: Services, caller: Caller, flavor_id: str, changes: PciFlavorUpdate
) -> PciFlavor:
    """Change the expression or the description. Servers that are placed keep their devices.

    Raises:
        Forbidden: The caller is no admin.
        NotFound: There is no such PCI flavor.
        InvalidMatch: The expression is malformed.
    """
    require(caller, rules.UPDATE_PCI_FLAVOR)
    given: dict[str, Any] = {}
    if not isinstance(changes.description, Unset):
        _check_description(changes.description)
        given["description"] = changes.description
    if not isinstance(changes.match, Unset):
        given["alternatives"] = parse_match(changes.match, svc.pci.attributes)

    def update(tx: Transaction) -> PciFlavor:
        flavor = replace(tx.pci_flavors.get(flavor_id), updated_at=svc.clock.now(), **given)
        tx.pci_flavors.update(flavor)
        _audit(tx, svc, caller, "pci_flavor.update", flavor)
        return flavor

    return svc.store.write(update)


def delete_pci_flavor(svc: Services, caller: Caller, flavor_id: str) -> None:
    """Delete a PCI flavor that neither a port nor a flavor of servers names.

    Servers that were placed by it keep their devices, and what they asked for.

    Raises:
        Forbidden: The caller is no admin.
        NotFound: There is no such PCI flavor.
        InUse: It is named still.
    """
    require(caller, rules.DELETE_PCI_FLAVOR)

    def delete(tx: Transaction) -> None:
        flavor = tx.pci_flavors.get(flavor_id)
        for user in tx.flavors.with_extra_spec(PCI_FLAVOR_KEY):
            terms = parse_terms(user.extra_specs[PCI_FLAVOR_KEY], alternatives=True)
            if any(flavor.name in term.names for term in terms):
                raise InUse("PCI flavor", flavor.name, f"flavor {user.name} names it")
        tx.pci_flavors.delete(flavor)
        _audit(tx, svc, caller, "pci_flavor.delete", flavor)

    svc.store.write(delete)


def matches_of(tx: Transaction, names: Collection[str], field: str) -> dict[str, DeviceMatch]:
    """Return what devices must be for each of these PCI flavors; raise `Invalid` if one is not."""
    found = tx.pci_flavors.named(names)
    for name in names:
        if name not in found:
            raise Invalid(field, f"there is no PCI flavor {name}; see `trunkline pci-flavor list`")
    return {name: flavor.alternatives for name, flavor in found.items()}


def requests_of(tx: Transaction, svc: Services, specs: Mapping[str, str]) -> tuple[PciRequest, ...]:
    """Return what a flavor's extra specs ask for besides NICs, as PCI flavors are now.

    Raises:
        Invalid: They are malformed, or name what there is not.
    """
    requests: list[PciRequest] = []
    for term in _terms(specs, PCI_FLAVOR_KEY, alternatives=True):
        field = f"extra_specs.{PCI_FLAVOR_KEY}"
        matches = matches_of(tx, term.names, field)
        match = tuple(dict.fromkeys(each for name in term.names for each in matches[name]))
        try:
            requests.append(request_for(str(term), term.count, match))
        except ValueError as problem:
            raise Invalid(field, f"{term}: {problem}") from problem
    for term in _terms(specs, ALIAS_KEY, alternatives=False):
        alias = svc.pci.aliases.get(str(term))
        if alias is None:
            known = ", ".join(sorted(svc.pci.aliases)) or "none"
            raise Invalid(
                f"extra_specs.{ALIAS_KEY}",
                f"there is no alias {term} in the controller's configuration; there are: {known}",
            )
        requests.append(replace(alias, count=term.count))
    requests += requests_by_class(specs)
    if sum(request.count for request in requests) > DEVICES_MAX:
        raise Invalid("extra_specs", f"ask for more than {DEVICES_MAX} devices")
    return tuple(requests)


def _terms(specs: Mapping[str, str], key: str, *, alternatives: bool) -> tuple[Term, ...]:
    if key not in specs:
        return ()
    try:
        return parse_terms(specs[key], alternatives=alternatives)
    except ValueError as problem:
        raise Invalid(f"extra_specs.{key}", str(problem)) from problem


def _check_description(description: str) -> None:
    if len(description) > DESCRIPTION_CHARS_MAX:
        raise Invalid("description", f"has more than {DESCRIPTION_CHARS_MAX} characters")


def _audit(tx: Transaction, svc: Services, caller: Caller, action: str, flavor: PciFlavor) -> None:
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action,
        f"PCI flavor {flavor.name} ({flavor.id})",
        details={"match": match_text(flavor.alternatives), "description": flavor.description},
    )  # fmt: skip
