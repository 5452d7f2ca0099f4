"""PCI flavors: what an expression means, and what is told of one that means nothing."""

from __future__ import annotations

import time

import pytest

from trunkline.domain.pci_flavor import device_matches, match_text
from trunkline.domain.pci_flavor_parsing import (
    InvalidMatch,
    parse_alternative_text,
    parse_match,
    render_match,
)

ALLOWED = ("vendor_id", "product_id", "dev_type", "e.model", "e.rack")
DEVICE = {"vendor_id": "8086", "product_id": "10ed", "dev_type": "vf", "e.model": "x520"}


@pytest.mark.parametrize(
    ("raw", "fits"),
    [
        ([{"vendor_id": "8086"}], True),
        ([{"vendor_id": "0x8086"}], True),
        ([{"product_id": "10ED"}], True),
        ([{"vendor_id": "15b3"}], False),
        ([{"vendor_id": "8086", "product_id": "1515"}], False),
        ([{"vendor_id": "8086", "product_id": ["1515", "10ed"]}], True),
        ([{"vendor_id": "15b3"}, {"product_id": "10ed"}], True),
        ([{"dev_type": "type-VF"}], True),
        ([{"dev_type": "pf"}], False),
        ([{"e.model": {"glob": "x5*"}}], True),
        ([{"e.model": {"glob": "x5"}}], False),
        ([{"e.model": {"glob": ["x7*", "?520"]}}], True),
        ([{"e.model": {"regex": "x[0-9]{3}"}}], True),
        ([{"e.model": {"regex": "x[0-9]{2}"}}], False),
        ([{"e.model": {"exact": "x520"}}], True),
        ([{"e.rack": {"glob": "*"}}], False),  # The device has no such tag.
    ],
)
def test_an_expression_fits_the_devices_that_it_says(raw: object, *, fits: bool) -> None:
    match = parse_match(raw, ALLOWED)
    assert device_matches(match, DEVICE) is fits
    assert parse_match(render_match(match), ALLOWED) == match


def test_no_expression_fits_every_device() -> None:
    assert device_matches((), DEVICE)


@pytest.mark.parametrize(
    ("text", "json"),
    [
        ("vendor_id=8086", {"vendor_id": "8086"}),
        (
            "vendor_id=8086, product_id=10ed|1515",
            {"vendor_id": "8086", "product_id": ["10ed", "1515"]},
        ),
        ("e.model~x5*|x7*", {"e.model": {"glob": ["x5*", "x7*"]}}),
        (r"e.model=~x(5|7)\d{1\,3}", {"e.model": {"regex": r"x(5|7)\d{1,3}"}}),
        ("e.model=a=b", {"e.model": "a=b"}),
    ],
)
def test_an_alternative_is_written_in_one_line(text: str, json: object) -> None:
    assert parse_alternative_text(text) == json


def test_an_expression_prints_as_it_would_be_written() -> None:
    raw = [{"e.model": {"glob": ["x5*", "x7*"]}, "vendor_id": "8086"}, {"e.rack": {"regex": "a+"}}]
    assert match_text(parse_match(raw, ALLOWED)) == (
        "e.model~x5*|x7*, vendor_id=8086 or e.rack=~a+"
    )


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"vendor_id": "8086"}, "match: expected a list of alternatives, found an object"),
        ("vendor_id=8086", "match: expected a list of alternatives, found text"),
        (None, "match: expected a list of alternatives, found null"),
        ([], "match: has no alternative, and would match nothing; add one"),
        ([{}], "match[0]: has no condition, and would match every device; add one"),
        (["x"], "match[0]: expected an object of conditions, found text"),
        ([{"vendor_id": "8086"}] * 17, "match: more than 16 alternatives"),
        (
            [{f"e.t{n}": "a" for n in range(17)}],
            "match[0]: more than 16 conditions; leave some out",
        ),
        ([{"vendorid": "8086"}], "match[0].vendorid: unknown; did you mean vendor_id?"),
        ([{"model": "x"}], "match[0].model: unknown; did you mean e.model? Tags have an e."),
        ([{"colour": "red"}], "match[0].colour: unknown; there are can.*, dev_type, e.model,"),
        ([{"e.colour": "red"}], "match[0].e.colour: the operator does not let it be used;"),
        ([{"numa_node": "0"}], "match[0].numa_node: the operator does not let it be used;"),
        ([{"address": "0000:05:00.1"}], "match[0].address: may not be used: it would tie"),
        ([{"host_id": "h1"}], "match[0].host_id: may not be used: it would tie the flavor to one"),
        ([{"vendor_id": "intel"}], "match[0].vendor_id: 'intel': not a PCI ID; write four hex"),
        ([{"dev_type": "nic"}], "match[0].dev_type: 'nic': no kind of device; there are pf, vf"),
        ([{"vendor_id": 8086}], "match[0].vendor_id: expected text or a list of texts, found a nu"),
        ([{"vendor_id": ["8086", 1]}], "match[0].vendor_id: expected text or a list of texts"),
        ([{"vendor_id": []}], "match[0].vendor_id: expected 1 to 64 values, found 0"),
        ([{"e.model": ["a"] * 65}], "match[0].e.model: expected 1 to 64 values, found 65"),
        ([{"e.model": ""}], "match[0].e.model: a value has 1 to 255 bytes, not ''"),
        ([{"e.model": "é" * 128}], "match[0].e.model: a value has 1 to 255 bytes"),
        ([{"e.model": {"regexp": "a"}}], 'match[0].e.model: expected {"glob": …} or {"regex"'),
        ([{"e.model": {}}], "found an object with nothing"),
        ([{"e.model": {"glob": "a", "regex": "b"}}], "found an object with glob, regex"),
        ([{"e.model": {"glob": None}}], "expected text or a list of texts, found null"),
        ([{"e.model": {"glob": "x[5"}}], "match[0].e.model: 'x[5': at character 2: a [ that is"),
        ([{"e.model": {"regex": "(a+)+("}}], "at character 7: a ( that is never closed"),
        ([{"can.fly": "true"}], "match[0].can.fly: unknown; there are can.link_state, can.max_tx"),
        (
            [{"e.model": {"regex": [f"((.?){{10}}){{60}}{n}" for n in range(8)]}}],
            "match: its patterns are too large together; use fewer, or smaller counts",
        ),
    ],
)
def test_a_faulty_expression_is_told_with_place_and_remedy(raw: object, fault: str) -> None:
    with pytest.raises(InvalidMatch) as told:
        parse_match(raw, ALLOWED)
    assert any(fault in each for each in told.value.faults), told.value.faults


def test_long_lists_of_short_patterns_are_no_matter() -> None:
    globs = [f"x{n}*" for n in range(64)]
    match = parse_match([{"e.model": {"glob": globs}, "e.rack": {"glob": globs}}], ALLOWED)
    assert device_matches(match, {"e.model": "x520", "e.rack": "x1"})


def test_too_large_patterns_are_not_even_read() -> None:
    """At a millisecond each, 16,384 of them would keep a processor busy for a quarter minute."""
    larges = [{"regex": [f"((.?){{10}}){{60}}{n}" for n in range(64)]} for _ in range(16)]
    alternative = {f"e.a{n}": large for n, large in enumerate(larges)}
    began = time.process_time()
    with pytest.raises(InvalidMatch, match="too large together"):
        parse_match([alternative] * 16, ("e.*",))
    assert time.process_time() - began < 2


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidMatch) as told:
        parse_match([{"vendorid": "1", "dev_type": "nic"}, {}], ALLOWED)
    assert len(told.value.faults) == 3


def test_where_every_tag_may_be_used_only_tags_may() -> None:
    assert parse_match([{"e.anything": "a"}], ("vendor_id", "e.*"))
    with pytest.raises(InvalidMatch, match=r"unknown; did you mean e\.anything\?"):
        parse_match([{"anything": "a"}], ("vendor_id", "e.*"))
    with pytest.raises(InvalidMatch, match="may not be used"):
        parse_match([{"address": "a"}], ("vendor_id", "e.*"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("vendor_id", "'vendor_id' is no condition; write ATTRIBUTE=VALUE"),
        ("", "'' is no condition"),
        ("=8086", "'=8086' is no condition"),
        ("e.rack=~r[0-9]{1,2}", r"'2}' is no condition; write ATTRIBUTE=VALUE,"),
        ("e.rack=~r[0-9]{1,2}", r"and \, for a comma in a value"),
        ("vendor_id=8086,", "'' is no condition"),
        ("vendor_id=1,vendor_id=2", "vendor_id is given twice; write vendor_id=VALUE|VALUE"),
    ],
)
def test_a_line_that_is_no_alternative_is_told(text: str, fault: str) -> None:
    with pytest.raises(InvalidMatch) as told:
        parse_alternative_text(text)
    assert fault in str(told.value)
