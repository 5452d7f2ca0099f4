"""Disk images are hostile input: what may stand under a disk, and what must not."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.host.libvirt.image_format import (
    ImageInfo,
    UnfitImage,
    read_info,
    require_fits,
    require_plain_qcow2,
)


def a_header(
    *,
    magic: bytes = b"QFI\xfb",
    version: int = 3,
    backing_offset: int = 0,
    crypt_method: int = 0,
    features: int = 0,
) -> bytes:
    """The first bytes of a qcow2, as QEMU's docs/interop/qcow2.txt lays them out."""
    start = struct.pack(">4sIQIIQI", magic, version, backing_offset, 0, 16, 1 << 30, crypt_method)
    middle = bytes(72 - len(start))
    return start + middle + struct.pack(">QQQII", features, 0, 0, 4, 104)


def an_info(**changes: Any) -> bytes:
    said = {"format": "qcow2", "virtual-size": 1 << 20, "filename": "x"} | changes
    return json.dumps({name: value for name, value in said.items() if value is not ...}).encode()


@pytest.mark.parametrize("features", [0, 1 << 3, 1 << 4])
@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_qcow2_may_be_used(version: int, features: int) -> None:
    require_plain_qcow2(a_header(version=version, features=features))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"", "too short"),
        (a_header()[:-1], "too short"),
        (a_header(magic=b"QFI\xfa"), "no qcow2"),
        (a_header(version=1), "no qcow2"),
        (a_header(version=4), "no qcow2"),
        (a_header(backing_offset=1), "another file"),
        (a_header(version=2, backing_offset=512), "another file"),
        (a_header(crypt_method=1), "encrypted"),
        (a_header(features=1 << 0), "features are 0x1"),
        (a_header(features=1 << 1), "features are 0x2"),
        (a_header(features=1 << 2), "features are 0x4"),  # External data file.
        (a_header(features=1 << 63), "features"),
    ],
)
def test_what_names_other_files_or_is_unknown_is_refused(header: bytes, said: str) -> None:
    with pytest.raises(UnfitImage, match=said):
        require_plain_qcow2(header)


@given(header=st.binary(max_size=200))
def test_any_bytes_are_a_plain_qcow2_or_refused(header: bytes) -> None:
    with suppress(UnfitImage):
        require_plain_qcow2(header)
        assert header.startswith(b"QFI\xfb")
        assert not any(header[8:16]), "no backing file"


@given(noise=st.binary(min_size=104, max_size=104), offset=st.integers(1, 2**64 - 1))
def test_a_backing_file_is_seen_whatever_else_the_header_says(noise: bytes, offset: int) -> None:
    header = b"QFI\xfb" + noise[4:8] + struct.pack(">Q", offset) + noise[16:]
    with pytest.raises(UnfitImage):
        require_plain_qcow2(header)


def test_what_qemu_img_says_of_a_plain_file_is_read() -> None:
    data = {"type": "qcow2", "data": {"compat": "1.1", "corrupt": False}}
    said = an_info(**{"format-specific": data})
    assert read_info(said, expected_format="qcow2") == ImageInfo("qcow2", 1 << 20)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "understood"),
        (b"\xff", "understood"),
        (b"[]", "understood"),
        (b"[" * 100_000, "understood"),
        (an_info(format=...), "understood"),
        (an_info(**{"virtual-size": ...}), "understood"),
        (an_info(**{"virtual-size": -1}), "understood"),
        (an_info(**{"virtual-size": 2**63}), "understood"),
        (an_info(**{"virtual-size": "1"}), "understood"),
        (an_info(format="vmdk"), "'vmdk', not 'qcow2'"),
        (an_info(**{"backing-filename": "/etc/shadow"}), "/etc/shadow"),
        (an_info(**{"backing-filename": ""}), "another file"),
        (an_info(**{"full-backing-filename": "/etc/shadow"}), "another file"),
        (an_info(encrypted=True), "encrypted"),
        (an_info(**{"format-specific": {"data": {"encrypt": {"format": "luks"}}}}), "encrypted"),
        (an_info(**{"format-specific": {"data": {"data-file": "/dev/sda"}}}), "/dev/sda"),
        (an_info(**{"format-specific": {"data": 1}}), "no object"),
        (an_info(**{"format-specific": 1}), "understood"),
    ],
)
def test_what_must_not_be_used_is_refused_with_the_reason(said: bytes, problem: str) -> None:
    with pytest.raises(UnfitImage, match=problem):
        read_info(said, expected_format="qcow2")


TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
KEYS = ["format", "virtual-size", "backing-filename", "encrypted", "format-specific", "data"]


@given(said=st.dictionaries(st.sampled_from(KEYS), JSON) | JSON)
def test_whatever_qemu_img_says_is_read_or_refused(said: object) -> None:
    with suppress(UnfitImage):
        read = read_info(json.dumps(said).encode(), expected_format="qcow2")
        assert read.format == "qcow2"
        assert read.virtual_bytes >= 0


@given(said=st.binary())
def test_whatever_comes_out_of_qemu_img_is_read_or_refused(said: bytes) -> None:
    with suppress(UnfitImage):
        read_info(said, expected_format="qcow2")


def test_an_image_that_is_larger_than_the_disk_is_refused() -> None:
    require_fits(ImageInfo("raw", 1 << 30), 1 << 30)
    with pytest.raises(UnfitImage, match="1073741825 bytes"):
        require_fits(ImageInfo("raw", (1 << 30) + 1), 1 << 30)
