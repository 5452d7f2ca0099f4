from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.host.linux.vpd import Vpd, VpdMalformed, parse_vpd


def large(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + len(content).to_bytes(2, "little") + content


def vpd_field(keyword: bytes, content: bytes) -> bytes:
    return keyword + bytes([len(content)]) + content


END = b"\x78"


def test_a_card_says_what_it_is_and_which_one() -> None:
    read_only = vpd_field(b"PN", b"MCX512A-ACAT") + vpd_field(b"SN", b"MT2012X00001  ")
    data = (
        large(0x82, b"ConnectX-5 EN\0") + large(0x90, read_only + vpd_field(b"RV", b"\x55")) + END
    )
    assert parse_vpd(data + b"\xff" * 32) == Vpd(
        name="ConnectX-5 EN", part_number="MCX512A-ACAT", serial="MT2012X00001"
    )


@pytest.mark.parametrize("serial", [b"", b"    ", b"\0\0\0", b"\xff\xfe", b"A\nB"])
def test_a_serial_number_that_is_none_is_none(serial: bytes) -> None:
    assert parse_vpd(large(0x90, vpd_field(b"SN", serial)) + END).serial is None


def test_what_may_be_written_is_no_serial_number() -> None:
    assert parse_vpd(large(0x91, vpd_field(b"SN", b"mine")) + END).serial is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff" * 256, b"\0" * 256, large(0x82, b"name"), large(0x90, b"SN\x09AB12") + END,
     b"\x82\xff\xffname" + END],
)  # fmt: skip
def test_what_was_never_written_or_does_not_add_up_is_malformed(data: bytes) -> None:
    with pytest.raises(VpdMalformed):
        parse_vpd(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_product_data_or_malformed(data: bytes) -> None:
    with contextlib.suppress(VpdMalformed):
        for text in (parse_vpd(data).serial, parse_vpd(data).name):
            assert text is None or text.isprintable()
