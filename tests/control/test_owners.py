"""Who has what a change would free, also once servers are thought of as moved."""

from __future__ import annotations

from tests.unit.placement.builders import a_request
from trunkline.api.v1.edits import LISTED_MAX, edit_items, smallest_edits
from trunkline.control.moving_words import with_servers
from trunkline.control.owners import Holding, Owners
from trunkline.domain.allocation import AllocationState
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId, HostId, HostName, ServerId
from trunkline.placement.asks.edits import Edit, EditKind
from trunkline.placement.asks.request import Explanation, HostRefusal, Placed
from trunkline.placement.planning.resettling import Move, Resettled
from trunkline.placement.planning.residents import Resident
from trunkline.store.allocations import Holder

H1, H2 = HostId("h1"), HostId("h2")


def vf(number: int) -> DeviceRef:
    return DeviceRef(DeviceId("pf"), number)


def holder(number: int, server: str, state: AllocationState = AllocationState.ACTIVE) -> Holder:
    return Holder(
        host_id=H1,
        device=vf(number),
        address=f"0000:05:02.{number}",
        state=state,
        server_id=ServerId(server),
        server_name=server,
    )


def an_edit(count: int, devices: int) -> Edit:
    refs = tuple(map(vf, range(devices)))
    return Edit(kind=EditKind.FREE_DEVICE, words="x", count=count, devices=refs)


def a_refusal(edit: Edit) -> HostRefusal:
    return HostRefusal(host_id=H1, host_name=HostName("h1"), reasons=(), nics=(), edits=(edit,))


def servers(owners: Owners, edit: Edit) -> list[tuple[str, int]]:
    owned = owners.of(H1, edit)
    assert owned is not None
    return [(one.server_name, one.amount) for one in owned.servers]


def a_resident(name: str, host_id: HostId, *, vcpus: int = 3) -> Resident:
    placed = Placed(host_id=host_id, seen_generation=1, choices=())
    return Resident(
        server_id=name, name=name, host_id=host_id, request=a_request(vcpus=vcpus), placed=placed
    )


def test_of_a_host_that_was_not_asked_nothing_is_said() -> None:
    owners = Owners({H2}, [], {})
    assert owners.of(H1, an_edit(1, 1)) is None
    explanation = Explanation(
        host_count=1, counts={}, nearest=(a_refusal(an_edit(1, 1)),), smallest_change="x"
    )
    assert with_servers(explanation, owners, named=True) == explanation


def test_servers_with_most_come_first_and_more_than_is_needed_is_as_good() -> None:
    owners = Owners({H1}, [*(holder(n, name) for n, name in enumerate("cccabb"))], {})
    assert servers(owners, an_edit(2, 6)) == [("b", 2), ("c", 3), ("a", 1)]
    assert servers(owners, an_edit(1, 6)) == [("a", 1), ("b", 2), ("c", 3)]


def test_servers_that_moved_have_nothing_where_they_were_but_what_is_not_clean_yet() -> None:
    released = holder(2, "a", AllocationState.RELEASING)
    owners = Owners({H1}, [holder(0, "a"), holder(1, "b"), released], {})
    moved = Move(a_resident("a", H1), Placed(host_id=H2, seen_generation=1, choices=()))
    owners.resettled(Resettled((moved,), (), at_most=1), {})
    owned = owners.of(H1, an_edit(1, 3))
    assert owned is not None
    assert [one.server_name for one in owned.servers] == ["b"]
    assert owned.of_no_server == (None, released)


def test_servers_that_moved_take_room_where_they_are() -> None:
    wanted = Edit(kind=EditKind.FREE_VCPUS, words="x", lacking=2)
    owners = Owners({H1, H2}, [], {})
    moved = Move(a_resident("a", H2), Placed(host_id=H1, seen_generation=1, choices=()))
    owners.resettled(Resettled((moved,), (), at_most=1), {})
    owned = owners.of(H1, wanted)
    assert owned is not None
    assert owned.servers == (Holding(ServerId("a"), "a", 3),)
    left = Move(a_resident("a", H1), Placed(host_id=H2, seen_generation=1, choices=()))
    owners.resettled(Resettled((left,), (), at_most=1), {})
    assert servers(owners, wanted) == []


def test_of_servers_with_room_those_are_told_that_have_enough_or_else_all() -> None:
    owners = Owners({H1, H2}, [], {})
    here = Placed(host_id=H1, seen_generation=1, choices=())
    sizes = {"small": 1, "large": 3, "none": 0, "middle": 2}
    moves = [Move(a_resident(name, H2, vcpus=n), here) for name, n in sizes.items()]
    owners.resettled(Resettled(tuple(moves), (), at_most=4), {})

    def told(lacking: int) -> list[tuple[str, int]]:
        return servers(owners, Edit(kind=EditKind.FREE_VCPUS, words="x", lacking=lacking))

    assert told(2) == [("large", 3), ("middle", 2)]
    assert told(5) == [("large", 3), ("middle", 2), ("small", 1)]
    assert told(7) == []


def test_an_answer_lists_so_many_servers_and_devices_and_counts_all() -> None:
    count = LISTED_MAX + 7
    owners = Owners({H1}, [holder(n, f"server {n}") for n in range(count)], {})
    [item] = edit_items(a_refusal(an_edit(1, count)), owners)
    assert (len(item.servers), item.server_count) == (LISTED_MAX, count)
    assert (len(item.devices), item.device_count) == (LISTED_MAX, count)


def test_where_some_host_fits_there_is_no_smallest_change_to_list() -> None:
    fits = Explanation(
        host_count=1, counts={}, nearest=(a_refusal(an_edit(1, 1)),), smallest_change=""
    )
    assert smallest_edits(fits, Owners({H1}, [holder(0, "a")], {})) == ()
