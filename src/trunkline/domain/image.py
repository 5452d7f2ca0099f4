"""Images: what a server's disk starts from."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from trunkline.domain.ids import ImageId, ProjectId
from trunkline.domain.state_machine import StateMachine


class ImageState(enum.Enum):
    """Drawn in docs/state-machines.md. The values are Glance's `status`."""

    QUEUED = "queued"  # Known by name; has no bytes yet.
    SAVING = "saving"  # Bytes are arriving.
    ACTIVE = "active"  # All bytes are on disk, and synced.


class ImageEvent(enum.Enum):
    """What can happen to an image."""

    RECEIVE = "receive"
    COMPLETE = "complete"
    ABANDON = "abandon"  # The upload broke off, or was too large.


_S, _E = ImageState, ImageEvent
IMAGE = StateMachine(
    name="image",
    initial=ImageState.QUEUED,
    transitions=MappingProxyType({
        (_S.QUEUED, _E.RECEIVE): _S.SAVING,
        (_S.SAVING, _E.COMPLETE): _S.ACTIVE,
        (_S.SAVING, _E.ABANDON): _S.QUEUED,
    }),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A disk image. The bytes are a file named by their SHA-512."""

    id: ImageId
    project_id: ProjectId
    name: str | None
    state: ImageState
    created_at: datetime
    updated_at: datetime
    disk_format: str | None = None
    container_format: str | None = None
    visibility: str = "shared"  # public, private, shared or community.
    protected: bool = False
    hidden: bool = False
    min_disk_gib: int = 0
    min_ram_mib: int = 0
    size_bytes: int | None = None
    md5: str | None = None  # Glance's `checksum`.
    sha512: str | None = None
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


# What Nova gives a meaning, or did: other properties are the image owner's own business.
# Source: nova/objects/image_meta.py (34.0.0), ImageMetaProps.
_NOVAS_PREFIXES: Final = ("hw_", "img_", "os_")
_NOVAS_OTHERS: Final = frozenset({
    "architecture", "auto_disk_config", "hypervisor_type", "hypervisor_version_requires",
    "ipxe_boot", "mappings", "root_device_name", "traits_required", "vm_mode",
})  # fmt: skip
_NOVAS_CHARS_MAX: Final = 255  # Longer values are cut.


def known_to_nova(properties: Mapping[str, str]) -> dict[str, str]:
    """Return those of an image's properties that servers made from it show."""
    return {
        name: value[:_NOVAS_CHARS_MAX]
        for name, value in properties.items()
        if name.startswith(_NOVAS_PREFIXES) or name in _NOVAS_OTHERS
    }
