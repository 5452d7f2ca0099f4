"""Columns of bits say what plain lists of numbers say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.placement.hosts.bits import (
    APART_MAX,
    Counter,
    Kept,
    Numbers,
    at_least_together,
    bitmap_of,
    bits_of,
)

SIZE = 12
places = st.integers(0, SIZE - 1)
values = st.lists(st.integers(-3, 2**20), min_size=SIZE, max_size=SIZE)
changes = st.lists(st.tuples(places, st.integers(-3, 2**33)))
counts = st.lists(st.integers(0, 2**10), min_size=SIZE, max_size=SIZE)


def places_in(bitmap: int) -> set[int]:
    return {bit.bit_length() - 1 for bit in bits_of(bitmap)}


@given(st.sets(places))
def test_a_bitmap_has_the_places_it_was_made_of(some: set[int]) -> None:
    assert places_in(bitmap_of(some, SIZE)) == some


@given(values, changes, st.integers(-2, 2**33), st.sets(places))
def test_numbers_compare_as_a_list_of_them_does(
    given_values: list[int], changed: list[tuple[int, int]], least: int, among: set[int]
) -> None:
    numbers, plain = Numbers(given_values), list(given_values)
    for place, value in changed:
        numbers.put(place, value)
        plain[place] = value
    bitmap = bitmap_of(among, SIZE)
    assert places_in(numbers.at_least(least, bitmap)) == {
        p for p in among if plain[p] >= max(least, 0)
    }
    most = max((max(plain[p], 0) for p in among), default=0)
    assert places_in(numbers.most(bitmap)) == {p for p in among if max(plain[p], 0) == most}


@given(st.lists(counts, min_size=1, max_size=5), changes, st.integers(1, 2**12))
def test_counters_add_up_as_lists_do(
    lists: list[list[int]], changed: list[tuple[int, int]], least: int
) -> None:
    first = Counter(lists[0])
    for place, value in changed:
        before, lists[0][place] = lists[0][place], max(value, 0)
        first.change(place, before, lists[0][place])
    total = Counter()
    for counter in (first, *(Counter(each) for each in lists[1:])):
        total.add(counter)
    sums = [sum(each) for each in zip(*lists, strict=True)]
    every = bitmap_of(range(SIZE), SIZE)
    assert places_in(total.at_least(least, every)) == {p for p, n in enumerate(sums) if n >= least}
    assert places_in(total.most(every)) == {p for p, n in enumerate(sums) if n == max(sums)}


few = st.lists(st.integers(0, 6), min_size=SIZE, max_size=SIZE)
parts = st.lists(st.tuples(few, st.sets(places), st.lists(st.tuples(places, st.integers(0, 9)))))


@given(parts, st.lists(st.integers(1, 2 * APART_MAX), min_size=1), st.sets(places))
def test_parts_that_follow_changes_are_enough_together_where_their_sum_is(
    given_parts: list[tuple[list[int], set[int], list[tuple[int, int]]]],
    wanted: list[int],
    among: set[int],
) -> None:
    kept = [(Kept(numbers), bitmap_of(some, SIZE)) for numbers, some, _ in given_parts]
    at_least_together(kept, wanted[0], bitmap_of(among, SIZE))  # What is kept has to follow.
    for (numbers, _), (plain, _, changed) in zip(kept, given_parts, strict=True):
        for place, value in changed:
            numbers.change(place, plain[place], value)
            plain[place] = value
    sums = [sum(plain[p] for plain, some, _ in given_parts if p in some) for p in range(SIZE)]
    for count in wanted:
        enough = at_least_together(kept, count, bitmap_of(among, SIZE))
        assert places_in(enough) == {p for p in among if sums[p] >= count}


@given(counts, counts, st.integers(0, 2**11), st.sets(places, min_size=1))
def test_numbers_are_compared_place_by_place(
    one: list[int], other: list[int], most: int, among: set[int]
) -> None:
    first, second = (Counter(each) for each in (one, other))
    assert places_in(first.above(second)) == {p for p in range(SIZE) if one[p] > other[p]}

    low, high = first.in_order(second)
    capped = first.up_to(most)
    total = Counter.of([bitmap_of(among, SIZE)] * 3)
    total.add(first, bitmap_of(among, SIZE))
    for place in range(SIZE):
        bit = 1 << place
        assert low.least(bit) == (bit, min(one[place], other[place]))
        assert high.least(bit) == (bit, max(one[place], other[place]))
        assert capped.least(bit) == (bit, min(one[place], most))
        assert total.least(bit) == (bit, one[place] + 3 if place in among else 0)

    bitmap, least = first.least(bitmap_of(among, SIZE))
    assert least == min(one[place] for place in among)
    assert places_in(bitmap) == {place for place in among if one[place] == least}


@given(counts, counts, st.sets(places), st.integers(0, 2**11))
def test_two_sets_of_numbers_compare_as_lists_do(
    mine: list[int], its: list[int], among: set[int], most: int
) -> None:
    one, other, bitmap = Counter(mine), Counter(its), bitmap_of(among, SIZE)
    assert places_in(one.below(other, bitmap)) == {p for p in among if mine[p] < its[p]}
    assert places_in(one.any()) == {p for p, n in enumerate(mine) if n}
    assert numbers_of(one.up_to(most)) == [min(n, most) for n in mine]
    higher = Counter([max(pair) for pair in zip(mine, its, strict=True)])
    assert numbers_of(higher.less(other, bitmap)) == [
        max(mine[p] - its[p], 0) if p in among else 0 for p in range(SIZE)
    ]
    one.put_at(bitmap, other)
    assert numbers_of(one) == [its[p] if p in among else mine[p] for p in range(SIZE)]
    assert numbers_of(Counter.of_planes(other.padded(20, bitmap))) == [
        its[p] if p in among else 0 for p in range(SIZE)
    ]


def numbers_of(counter: Counter) -> list[int]:
    return [counter.at(place) for place in range(SIZE)]
