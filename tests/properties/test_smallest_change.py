"""The smallest change told is the one that trying all finds, fewest edits first."""

from __future__ import annotations

from random import Random

import pytest

from tests.oracle.edits_oracle import KINDS, Size, smallest_change
from tests.oracle.placement_instances import random_instance
from tests.oracle.placement_oracle import RawHost, RawRequest
from tests.oracle.places_instances import placed_instance
from tests.properties.placement_world import a_fleet, a_request
from trunkline.placement.asks.edits import EditKind, size_of_edits
from trunkline.placement.reasons.explanation import explain

EDITS_MAX = 4  # More make trying all sets of them slow.
ATOMS_MAX = 16


def check(request: RawRequest, hosts: list[RawHost]) -> list[Size]:
    """Compare each host's smallest change, and which host is nearest; return sizes compared."""
    told = explain(a_request(request), a_fleet(hosts)).nearest
    sizes = {str(refusal.host_id): size_of_edits(refusal.edits) for refusal in told}
    found: list[tuple[Size, str]] = []
    for host in hosts:
        exact = smallest_change(request, host, at_most=EDITS_MAX)
        size = sizes.get(host["id"])
        if exact is None:
            assert size is not None
            assert size[0] > EDITS_MAX, (size, request, host)
        elif exact[0] == 0:
            assert size is None
        else:
            assert size == exact, (size, exact, request, host)
            found.append((exact, host["name"]))
    if found:
        assert told[0].host_name == min(found)[1]
    return [size for size, _ in found]


def is_small(request: RawRequest, host: RawHost) -> bool:
    owned = sum(1 for device in host["devices"] if not device["free"])
    return owned + len(request["nics"]) + len(request.get("rules", [])) <= ATOMS_MAX - 4


def test_the_list_of_edits_is_the_documented_one() -> None:
    assert tuple(kind.value for kind in EditKind) == KINDS


@pytest.mark.parametrize("seed", range(4))
def test_without_rules_the_smallest_change_is_what_trying_all_finds(seed: int) -> None:
    dice = Random(seed)
    sizes: list[Size] = []
    for _ in range(60):
        request, hosts = random_instance(dice)
        if all(is_small(request, host) for host in hosts):
            sizes += check(request, hosts)
    assert {size[0] for size in sizes} >= {1, 2, 3}, "too little was drawn to mean anything"


@pytest.mark.parametrize("seed", range(4))
def test_under_rules_the_smallest_change_is_what_trying_all_finds(seed: int) -> None:
    dice = Random(seed)
    sizes: list[Size] = []
    for _ in range(60):
        request, hosts = placed_instance(dice)
        if all(is_small(request, host) for host in hosts):
            sizes += check(request, hosts)
    dropped = 1 + KINDS[::-1].index("drop_rule")
    freed = 1 + KINDS[::-1].index("free_device")
    assert any(size[dropped] and not size[freed] for size in sizes)
    assert any(size[freed] and not size[dropped] for size in sizes)
