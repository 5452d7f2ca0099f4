"""Flavors: made and changed by admins, used by everybody who may see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.asking import check_extra_specs
from trunkline.control.pci_flavors import requests_of
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server import Flavor
from trunkline.store.transaction import Transaction

INT_MAX: Final = 2**31 - 1  # A signed 32-bit column, on both databases.
NAME_CHARS_MAX: Final = 255
DESCRIPTION_CHARS_MAX: Final = 65_535  # As Nova's.
EXTRA_SPECS_MAX: Final = 128  # A flavor travels with every server made from it.
RXTX_FACTOR_MAX: Final = 3.40282e38  # Nova's: the largest single-precision float.

_ID: Final = re.compile(r"[A-Za-z0-9. _-]{1,255}")
_EXTRA_SPEC_KEY: Final = re.compile(r"[A-Za-z0-9\-_:. ]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavorCreate:
    """A new flavor. `id` None: a UUID is made."""

    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    id: FlavorId | None = None
    description: str | None = None
    is_public: bool = True
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    extra_specs: Mapping[str, str] = field(default_factory=dict)


def create_flavor(svc: Services, caller: Caller, asked: FlavorCreate) -> Flavor:
    """Make a flavor.

    Raises:
        Forbidden: The caller is no admin.
        Invalid: A size is out of range, or a name malformed.
        AlreadyExists: The ID or the name is taken.
    """
    require(caller, rules.CREATE_FLAVOR)
    _check(asked)
    at = svc.clock.now()
    flavor = Flavor(
        id=asked.id or FlavorId(svc.ids.new_id()),
        name=asked.name,
        vcpus=asked.vcpus,
        memory_mib=asked.memory_mib,
        disk_gib=asked.disk_gib,
        created_at=at,
        description=asked.description,
        is_public=asked.is_public,
        ephemeral_gib=asked.ephemeral_gib,
        swap_mib=asked.swap_mib,
        rxtx_factor=asked.rxtx_factor,
        extra_specs=asked.extra_specs,
    )

    def create(tx: Transaction) -> Flavor:
        requests_of(tx, svc, flavor.extra_specs)
        check_extra_specs(flavor.extra_specs)
        tx.flavors.insert(flavor)
        details = {
            "vcpus": flavor.vcpus,
            "memory_mib": flavor.memory_mib,
            "disk_gib": flavor.disk_gib,
        }
        audit.record(
            tx, audit.actor_of(caller), at, "flavor.create", _subject(flavor), details=details
        )
        return flavor

    return svc.store.write(create)


def get_flavor(svc: Services, caller: Caller, flavor_id: str) -> Flavor:
    """Return a flavor; raise `NotFound` if there is none that the caller may see."""
    return svc.store.read(lambda tx: visible_flavor(tx, caller, flavor_id))


def list_flavors(svc: Services, caller: Caller, query: ListQuery) -> list[Flavor]:
    """Return one page of flavors. Only admins see those that are not public."""
    if not caller.may(rules.SEE_PRIVATE_FLAVORS):
        query = replace(query, equals={**query.equals, "is_public": (True,)})
    return svc.store.read(lambda tx: tx.flavors.page(query))


def describe_flavor(
    svc: Services, caller: Caller, flavor_id: str, description: str | None
) -> Flavor:
    """Change the description, the only thing of a flavor that may change beside extra specs."""
    require(caller, rules.UPDATE_FLAVOR)
    if description is not None and len(description) > DESCRIPTION_CHARS_MAX:
        raise Invalid("description", f"has more than {DESCRIPTION_CHARS_MAX} characters")

    def describe(tx: Transaction) -> Flavor:
        flavor = replace(tx.flavors.get(flavor_id), description=description)
        return _store(svc, tx, caller, flavor, "flavor.describe", {"description": description})

    return svc.store.write(describe)


def delete_flavor(svc: Services, caller: Caller, flavor_id: str) -> None:
    """Delete a flavor; servers keep the copy they were made with."""
    require(caller, rules.DELETE_FLAVOR)

    def delete(tx: Transaction) -> None:
        flavor = tx.flavors.get(flavor_id)
        tx.flavors.delete(flavor.id)
        audit.record(tx, audit.actor_of(caller), svc.clock.now(), "flavor.delete", _subject(flavor))

    svc.store.write(delete)


def set_extra_specs(
    svc: Services, caller: Caller, flavor_id: str, extra_specs: Mapping[str, str]
) -> Flavor:
    """Add extra specs, or change those that are there. Servers already made keep the old ones."""
    require(caller, rules.SET_EXTRA_SPECS)
    _check_extra_specs(extra_specs)

    def set_them(tx: Transaction) -> Flavor:
        flavor = tx.flavors.get(flavor_id)
        merged = {**flavor.extra_specs, **extra_specs}
        _check_extra_specs(merged)
        requests_of(tx, svc, extra_specs)
        check_extra_specs(extra_specs)
        changed = replace(flavor, extra_specs=merged)
        return _store(svc, tx, caller, changed, "flavor.set_extra_specs", extra_specs)

    return svc.store.write(set_them)


def unset_extra_spec(svc: Services, caller: Caller, flavor_id: str, key: str) -> None:
    """Remove one extra spec; raise `NotFound` if the flavor has none of this name."""
    require(caller, rules.UNSET_EXTRA_SPECS)

    def unset(tx: Transaction) -> None:
        flavor = tx.flavors.get(flavor_id)
        if key not in flavor.extra_specs:
            raise NotFound(f"extra spec of flavor {flavor_id}", key)
        kept = {name: value for name, value in flavor.extra_specs.items() if name != key}
        changed = replace(flavor, extra_specs=kept)
        _store(svc, tx, caller, changed, "flavor.unset_extra_spec", {"key": key})

    svc.store.write(unset)


def visible_flavor(tx: Transaction, caller: Caller, flavor_id: str) -> Flavor:
    """Return a flavor; raise `NotFound` if there is none that the caller may see."""
    flavor = tx.flavors.get(flavor_id)
    if not (flavor.is_public or caller.may(rules.SEE_PRIVATE_FLAVORS)):
        raise NotFound("flavor", flavor_id)
    return flavor


def _store(
    svc: Services,
    tx: Transaction,
    caller: Caller,
    flavor: Flavor,
    action: str,
    details: Mapping[str, object],
) -> Flavor:
    tx.flavors.update(flavor)
    audit.record(
        tx, audit.actor_of(caller), svc.clock.now(), action, _subject(flavor), details=details
    )
    return flavor


def _subject(flavor: Flavor) -> str:
    return f"flavor {flavor.name} ({flavor.id})"


def _check(asked: FlavorCreate) -> None:
    _check_name("name", asked.name)
    if asked.id is not None and (not _ID.fullmatch(asked.id) or asked.id != asked.id.strip()):
        raise Invalid("id", "may have letters, digits, '.', '_', '-' and inner spaces, 255 at most")
    if asked.description is not None and len(asked.description) > DESCRIPTION_CHARS_MAX:
        raise Invalid("description", f"has more than {DESCRIPTION_CHARS_MAX} characters")
    sizes: Sequence[tuple[str, int, int]] = (
        ("vcpus", asked.vcpus, 1),
        ("ram", asked.memory_mib, 1),
        ("disk", asked.disk_gib, 0),
        ("OS-FLV-EXT-DATA:ephemeral", asked.ephemeral_gib, 0),
        ("swap", asked.swap_mib, 0),
    )
    for name, value, least in sizes:
        if not least <= value <= INT_MAX:
            raise Invalid(name, f"must be from {least} to {INT_MAX}, not {value}")
    if not 0 < asked.rxtx_factor <= RXTX_FACTOR_MAX:  # NaN fails this too.
        raise Invalid("rxtx_factor", f"must be above 0 and at most {RXTX_FACTOR_MAX:g}")
    _check_extra_specs(asked.extra_specs)


def _check_name(name: str, value: str) -> None:
    if not 1 <= len(value) <= NAME_CHARS_MAX or value != value.strip():
        raise Invalid(name, f"must have 1 to {NAME_CHARS_MAX} characters, no space at either end")
    if not value.isprintable():
        raise Invalid(name, "has characters that can't be printed")


def _check_extra_specs(extra_specs: Mapping[str, str]) -> None:
    if len(extra_specs) > EXTRA_SPECS_MAX:
        raise Invalid("extra_specs", f"a flavor has {EXTRA_SPECS_MAX} at most")
    for key, value in extra_specs.items():
        if not _EXTRA_SPEC_KEY.fullmatch(key):
            raise Invalid(
                "extra_specs", f"{key!r}: keys may have letters, digits, spaces and '-_:.'"
            )
        if len(value) > NAME_CHARS_MAX or not value.isprintable():
            raise Invalid(f"extra_specs.{key}", "a value has 255 printable characters at most")
