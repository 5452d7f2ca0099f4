"""Whether a file may stand under a disk: by its header, and by what `qemu-img info` says of it.

A disk image is hostile input: a qcow2 header can name other files of the host as its backing or
data file (CVE-2015-5163, CVE-2024-32498, CVE-2024-4467), and claim any size. So the format is
always said, never probed; and since `qemu-img info` itself opens a data file, the header is read
here before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

SERVED_FORMATS: Final = frozenset({"raw", "qcow2"})

_SIZE_MAX: Final = 2**63 - 1


class UnfitImage(ValueError):
    """A file can't be a disk, or must not."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known of a file that may be used."""

    format: str
    virtual_bytes: int


_QCOW2_HEADER: Final = struct.Struct(">4sIQIIQI")  # Up to crypt_method, at byte 32.
_INCOMPATIBLE_AT: Final = 72  # From version 3 on.
HEADER_BYTES: Final = 104
# Bits of incompatible_features that mean no more than what QEMU does by itself: compression of
# another type, extended L2 entries. Dirty and corrupt (0, 1) and external data file (2) do not.
_HARMLESS_FEATURES: Final = 1 << 3 | 1 << 4


def require_plain_qcow2(header: bytes) -> None:
    """Raise `UnfitImage` unless these first bytes are of a qcow2 that stands for itself.

    Source: QEMU docs/interop/qcow2.txt.
    """
    if len(header) < HEADER_BYTES:
        raise UnfitImage("it is too short for a qcow2")
    magic, version, backing_offset, _, _, _, crypt_method = _QCOW2_HEADER.unpack_from(header)
    if magic != b"QFI\xfb" or version not in (2, 3):
        raise UnfitImage("it is no qcow2 of version 2 or 3")
    if backing_offset:
        raise UnfitImage("it stands on another file")
    if crypt_method:
        raise UnfitImage("it is encrypted")
    if version == 2:
        return
    (features,) = struct.unpack_from(">Q", header, _INCOMPATIBLE_AT)
    if features & ~_HARMLESS_FEATURES:
        raise UnfitImage(
            f"its incompatible features are {features:#x}: it is damaged, has its data in another "
            "file, or is newer than what is known here"
        )


class _Info(msgspec.Struct, frozen=True, rename="kebab"):
    format: str
    virtual_size: Annotated[int, Meta(ge=0, le=_SIZE_MAX)]
    backing_filename: Any = None
    full_backing_filename: Any = None
    encrypted: Any = None
    format_specific: dict[str, Any] | None = None


def read_info(output: bytes, *, expected_format: str) -> ImageInfo:
    """Read what ``qemu-img info --output=json -f FORMAT`` printed of a file.

    Raises:
        UnfitImage: It is not of this format, depends on other files, or is encrypted; or what was
            printed can't be understood.
    """
    try:
        info = msgspec.json.decode(output, type=_Info)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise UnfitImage(f"qemu-img says nothing that can be understood of it: {problem}") from None
    if info.format != expected_format:
        raise UnfitImage(f"it is {info.format!r}, not {expected_format!r}")
    if info.backing_filename is not None or info.full_backing_filename is not None:
        raise UnfitImage(f"it stands on another file, {info.backing_filename!r}")
    data = (info.format_specific or {}).get("data", {})
    if not isinstance(data, dict):
        raise UnfitImage("qemu-img's format-specific part of it is no object")
    if data.get("data-file") is not None:
        raise UnfitImage(f"its data is in another file, {data['data-file']!r}")
    if info.encrypted or data.get("encrypt"):
        raise UnfitImage("it is encrypted")
    return ImageInfo(info.format, info.virtual_size)


def require_fits(info: ImageInfo, disk_bytes: int) -> None:
    """Raise `UnfitImage` unless a disk of this size can start from the image."""
    if info.virtual_bytes > disk_bytes:
        raise UnfitImage(
            f"it holds {info.virtual_bytes} bytes, and the disk of the server's flavor has "
            f"{disk_bytes}"
        )
