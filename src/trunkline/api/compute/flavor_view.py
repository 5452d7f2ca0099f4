"""A flavor as a body of the compute API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trunkline.api.compute.fields import Field, render
from trunkline.api.compute.links import self_links
from trunkline.api.versions import Microversion
from trunkline.domain.server import Flavor


@dataclass(frozen=True, slots=True)
class Subject:
    """A flavor, and how the client reaches us."""

    flavor: Flavor
    version: Microversion
    base_url: str


def flavor_body(flavor: Flavor, version: Microversion, base_url: str) -> dict[str, Any]:
    """Return a flavor with its details."""
    return render(_FIELDS, Subject(flavor, version, base_url), version, for_admin=False)


def brief_body(flavor: Flavor, version: Microversion, base_url: str) -> dict[str, Any]:
    """Return a flavor as a list without details shows it."""
    return render(_BRIEF, Subject(flavor, version, base_url), version, for_admin=False)


def _swap(subject: Subject) -> int | str:
    """Return MiB. No swap was an empty text before 2.75."""
    if subject.flavor.swap_mib == 0 and subject.version.minor < 75:
        return ""
    return subject.flavor.swap_mib


_BRIEF: Final[tuple[Field[Subject], ...]] = (
    Field(name="id", value=lambda s: s.flavor.id),
    Field(name="name", value=lambda s: s.flavor.name),
    Field(name="links", value=lambda s: self_links(s.base_url, "flavors", s.flavor.id)),
    Field(name="description", value=lambda s: s.flavor.description, since=55),
)

_FIELDS: Final[tuple[Field[Subject], ...]] = (
    *_BRIEF,
    Field(name="ram", value=lambda s: s.flavor.memory_mib),
    Field(name="disk", value=lambda s: s.flavor.disk_gib),
    Field(name="vcpus", value=lambda s: s.flavor.vcpus),
    Field(name="swap", value=_swap),
    Field(name="rxtx_factor", value=lambda s: s.flavor.rxtx_factor),
    Field(name="OS-FLV-EXT-DATA:ephemeral", value=lambda s: s.flavor.ephemeral_gib),
    Field(name="OS-FLV-DISABLED:disabled", value=lambda s: s.flavor.disabled),
    Field(name="os-flavor-access:is_public", value=lambda s: s.flavor.is_public),
    Field(name="extra_specs", value=lambda s: dict(s.flavor.extra_specs), since=61),
)
