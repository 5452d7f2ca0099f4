"""What is said of servers that would have to move away."""

from __future__ import annotations

import pytest

from trunkline.control.moving_words import with_servers
from trunkline.control.owners import Owners
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId, HostId, HostName, ServerId
from trunkline.placement.asks.edits import Edit, EditKind
from trunkline.placement.asks.request import Explanation, HostRefusal
from trunkline.store.allocations import Holder

HOST = HostId("h1")
PF = DeviceId("pf")


def said(
    owners: list[tuple[str | None, AllocationState] | None], *, needed: int, named: bool = True
) -> str:
    """Return what is added to the words of an edit that frees some of as many VFs; "" if none is.

    Args:
        owners: Of each VF: a server, if it has one, and how far that has got; or nobody known.
        needed: How many VFs would have to be free.
        named: Whether servers are named.
    """
    refs = tuple(DeviceRef(PF, number) for number in range(len(owners)))
    edit = Edit(kind=EditKind.FREE_DEVICE, words="x", count=needed, devices=refs)
    refusal = HostRefusal(
        host_id=HOST, host_name=HostName("h1"), reasons=(), nics=(), edits=(edit,)
    )
    holders = [
        Holder(
            host_id=HOST,
            device=ref,
            address="0000:05:02.0",
            state=owner[1],
            server_id=None if owner[0] is None else ServerId(f"id of {owner[0]}"),
            server_name=owner[0],
        )
        for ref, owner in zip(refs, owners, strict=True)
        if owner is not None
    ]
    explanation = Explanation(host_count=1, counts={}, nearest=(refusal,), smallest_change="x")
    told = with_servers(explanation, Owners({HOST}, holders, {}), named=named)
    assert told.smallest_change == told.nearest[0].change
    return told.smallest_change.removeprefix("x").removeprefix(": ")


def test_a_change_that_may_not_be_the_smallest_is_not_told_as_if_it_were() -> None:
    edit = Edit(kind=EditKind.ENABLE_HOST, words="enable h1")
    refusal = HostRefusal(
        host_id=HOST, host_name=HostName("h1"), reasons=(), nics=(), edits=(edit,)
    )
    explanation = Explanation(
        host_count=1, counts={}, nearest=(refusal,), smallest_change="enable h1", is_proven=False
    )
    told = with_servers(explanation, Owners(set(), [], {}), named=True)
    assert told.smallest_change == "enable h1 (not proven: others may be smaller)"
    assert told.nearest == explanation.nearest


def active(*names: str) -> list[tuple[str | None, AllocationState] | None]:
    return [(name, AllocationState.ACTIVE) for name in names]


@pytest.mark.parametrize(
    ("servers", "needed", "words"),
    [
        ("a", 1, "move away the server a"),
        ("aab", 1, "move away one of these two servers: a, b"),
        (
            "aab", 2,
            "move away as many of these two servers as hold 2 of these devices: a (2), b (1)",
        ),
        ("aab", 3, "move away these two servers: a, b"),
        ("aabb", 2, "move away one of these two servers: a, b"),
        ("abcde", 1, "move away one of these five servers: a, b, c, d, e"),
        ("abcdef", 1, "move away one of these six servers: a, b, c, d, e and 1 more"),
        (
            "abcdefghijklmnopq", 1,
            "move away one of these 17 servers: a, b, c, d, e and 12 more",
        ),
    ],
)  # fmt: skip
def test_servers_are_named_up_to_a_number(servers: str, needed: int, words: str) -> None:
    assert said(active(*servers), needed=needed) == words


@pytest.mark.parametrize(
    ("servers", "needed", "words"),
    [
        ("a", 1, "move away one server"),
        ("abc", 1, "move away one of three servers"),
        ("aab", 2, "move away as many of two servers as hold 2 of these devices"),
        ("aab", 3, "move away two servers"),
    ],
)
def test_where_servers_may_not_be_named_they_are_counted(
    servers: str, needed: int, words: str
) -> None:
    assert said(active(*servers), needed=needed, named=False) == words


def test_devices_that_no_server_has_are_told_by_what_holds_them() -> None:
    owners = [
        *active("a"),
        ("gone", AllocationState.RELEASING),
        ("gone", AllocationState.RELEASING),
        ("old", AllocationState.QUARANTINED),
        (None, AllocationState.CLAIMED),
        None,
    ]
    assert said(owners, needed=1) == (
        "move away the server a; 1 of these devices is being claimed, 2 of these devices are being "
        "released, 1 of these devices is held by a port without a server, 1 of these devices is "
        "quarantined"
    )
    assert said(owners[1:2], needed=1) == "1 of these devices is being released"
