"""Cards are pulled out and put in again anywhere: no device ever becomes another card's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress, vf_address
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.pf_matching import KnownPf, PfMatches, SeenPf, match_pfs

SLOTS = [PciAddress(0, bus, 0, 0) for bus in range(5, 10)]


def identity(number: int, *, serial: bool = True) -> PfIdentity:
    return PfIdentity(
        vendor_id="8086",
        product_id="10c9",
        serial=f"S{number}" if serial else None,
        mac=MacAddress(f"02:00:00:00:00:{number:02x}"),
    )


def addresses(pf: PciAddress, vf_count: int) -> frozenset[PciAddress]:
    vfs = (vf_address(pf, vf_index=n, vf_offset=16, vf_stride=1) for n in range(vf_count))
    return frozenset({pf, *vfs})


def known(slot: int, who: PfIdentity, vf_count: int = 4, *, is_held: bool = True) -> KnownPf:
    return KnownPf(
        address=SLOTS[slot],
        identity=who,
        vf_count=vf_count,
        held_vfs=frozenset({vf_count - 1} if is_held and vf_count else ()),
        is_held=is_held,
        addresses=addresses(SLOTS[slot], vf_count),
    )


def seen(slot: int, who: PfIdentity, vf_count: int = 4) -> SeenPf:
    return SeenPf(
        address=SLOTS[slot],
        identity=who,
        vf_count=vf_count,
        vf_indexes=frozenset(range(vf_count)),
        addresses=addresses(SLOTS[slot], vf_count),
    )


def a_card(number: int, serial: bool, mac: bool) -> PfIdentity:
    found = identity(number, serial=serial)
    return found if mac else replace(found, mac=None)


# Few numbers, so that cards repeat; some without a serial, some whose MAC can't be read.
cards = st.builds(
    a_card, st.integers(0, 3), st.booleans(), st.sampled_from([True, True, True, False])
)
layouts = st.dictionaries(st.integers(0, 4), st.tuples(cards, st.integers(0, 3)), max_size=5)


@given(layouts, layouts, st.sets(st.integers(0, 4)))
def test_whatever_is_put_where_a_pf_with_owners_is_found_only_without_doubt(
    before: dict[int, tuple[PfIdentity, int]],
    after: dict[int, tuple[PfIdentity, int]],
    held: set[int],
) -> None:
    olds = [known(slot, who, n, is_held=slot in held) for slot, (who, n) in before.items()]
    news = [seen(slot, who, n) for slot, (who, n) in after.items()]
    found = match_pfs(olds, news)
    check(olds, news, found)
    for old in olds:  # Nothing hangs on the order in which they are listed.
        assert match_pfs(reversed(olds), reversed(news)).now_at.get(old.address) == (
            found.now_at.get(old.address)
        )


def check(olds: list[KnownPf], news: list[SeenPf], found: PfMatches) -> None:
    by_address = {pf.address: pf for pf in news}
    assert len(set(found.now_at.values())) == len(found.now_at), "one old is one new"
    times_known = Counter(pf.identity for pf in olds)
    times_seen = Counter(pf.identity for pf in news)
    for old in olds:
        now_at = found.now_at.get(old.address)
        if now_at is None:
            assert not old.is_held or old.address in found.fences or old.address not in by_address
            continue
        new = by_address[now_at]
        assert old.address not in found.fences
        assert old.identity.agrees(new.identity)
        assert now_at not in found.shut_out
        if now_at != old.address:
            assert old.identity == new.identity, "what can't be read is no proof"
            assert old.identity.mac is not None
            assert times_known[old.identity] == times_seen[old.identity] == 1
            assert not old.is_held or (old.vf_count or 0) <= new.vf_count
            assert not old.is_held or old.held_vfs <= new.vf_indexes
    kept = [pf for pf in olds if pf.is_held and pf.address not in found.now_at]
    for new in news:
        if new.address not in found.shut_out:
            assert not any(new.addresses & pf.addresses for pf in kept), "nothing is overwritten"


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_any_reshuffle_of_cards_that_can_be_told_apart_is_followed(
    order: list[int], held: set[int]
) -> None:
    olds = [known(slot, identity(slot), is_held=slot in held) for slot in range(5)]
    news = [seen(order[slot], identity(slot)) for slot in range(5)]
    found = match_pfs(olds, news)
    assert found.now_at == {SLOTS[slot]: SLOTS[order[slot]] for slot in range(5)}
    assert not found.fences
    assert not found.shut_out


def test_a_card_in_the_place_of_one_with_servers_is_shut_out() -> None:
    found = match_pfs([known(0, identity(1))], [seen(0, identity(2))])
    assert not found.now_at
    assert found.fences == {SLOTS[0]: f"another card is in its place: {identity(2)}"}
    assert found.shut_out == {SLOTS[0]}


def test_a_card_in_the_place_of_one_that_nobody_used_is_a_new_one() -> None:
    found = match_pfs([known(0, identity(1), is_held=False)], [seen(0, identity(2))])
    assert (found.now_at, found.fences, found.shut_out) == ({}, {}, frozenset())


def test_of_two_that_may_be_it_neither_is_taken_and_neither_given_away() -> None:
    found = match_pfs([known(0, identity(1))], [seen(1, identity(1)), seen(2, identity(1))])
    assert not found.now_at
    assert "0000:06:00.0 and 0000:07:00.0 may be it" in found.fences[SLOTS[0]]
    assert found.shut_out == {SLOTS[1], SLOTS[2]}


def test_a_card_that_was_seen_losing_its_vfs_is_known_by_those_with_owners() -> None:
    old = replace(known(0, identity(1)), vf_count=0)  # It was pulled; VF 3 has an owner.
    assert match_pfs([old], [seen(1, identity(1), 4)]).now_at == {SLOTS[0]: SLOTS[1]}
    lacking = match_pfs([old], [seen(1, identity(1), 3)])
    assert "its VF 3 is not on offer there" in lacking.fences[SLOTS[0]]


def test_one_with_other_vfs_is_waited_for_until_it_has_them() -> None:
    old = known(0, identity(1))
    assert "with 2 VFs and not 4" in match_pfs([old], [seen(1, identity(1), 2)]).fences[SLOTS[0]]
    assert match_pfs([old], [seen(1, identity(1))]).moves == {SLOTS[0]: SLOTS[1]}


def test_a_pf_that_has_moved_where_another_is_in_doubt_waits_for_that_one() -> None:
    olds = [known(0, identity(1)), known(1, identity(2))]
    found = match_pfs(olds, [seen(1, identity(1))])
    assert not found.now_at
    assert found.fences.keys() == {SLOTS[0], SLOTS[1]}
    assert found.shut_out == {SLOTS[1]}


def test_without_a_serial_the_mac_alone_will_do() -> None:
    who = identity(1, serial=False)
    assert match_pfs([known(0, who)], [seen(3, who)]).moves == {SLOTS[0]: SLOTS[3]}


def test_a_serial_that_can_not_be_read_leaves_a_doubt_and_not_a_new_pf() -> None:
    unread = identity(1, serial=False)
    for old, new in ((identity(1), unread), (unread, identity(1))):
        found = match_pfs([known(0, old)], [seen(3, new)])
        assert found.fences == {SLOTS[0]: f"{SLOTS[3]} may be it, and nothing proves it"}
        assert found.shut_out == {SLOTS[3]}


def test_two_that_are_said_to_be_in_one_place_are_in_doubt() -> None:
    olds = [replace(known(at, identity(at)), said=SLOTS[3]) for at in (0, 1)]
    made = match_pfs(olds, [seen(3, identity(7))])
    assert SLOTS[3] not in made.now_at.values()


def test_a_mac_that_a_guest_hides_keeps_a_pf_where_it_is() -> None:
    hidden = replace(identity(1), mac=None)
    assert match_pfs([known(0, identity(1))], [seen(0, hidden)]).now_at == {SLOTS[0]: SLOTS[0]}
    assert SLOTS[0] in match_pfs([known(0, identity(2))], [seen(0, hidden)]).fences


def test_what_an_operator_says_is_taken_for_true_where_the_vfs_are_there() -> None:
    old = replace(known(0, identity(1)), said=SLOTS[2])
    assert match_pfs([old], [seen(1, identity(1)), seen(2, identity(1))]).moves == {
        SLOTS[0]: SLOTS[2]
    }
    assert SLOTS[0] in match_pfs([old], [seen(0, identity(9)), seen(2, identity(1), 2)]).fences
