"""Columns of bits say what plain lists of numbers say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.placement.bits import Counter, Numbers, bitmap_of, bits_of

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
    numbers, plain = Numbers(given_values), [max(value, 0) for value in given_values]
    for place, value in changed:
        numbers.put(place, value)
        plain[place] = max(value, 0)
    bitmap = bitmap_of(among, SIZE)
    assert places_in(numbers.at_least(least, bitmap)) == {p for p in among if plain[p] >= least}
    most = max((plain[p] for p in among), default=0)
    assert places_in(numbers.most(bitmap)) == {p for p in among if plain[p] == most}


@given(st.lists(counts, min_size=1, max_size=5), changes, st.integers(1, 2**12))
def test_counters_add_up_as_lists_do(
    lists: list[list[int]], changed: list[tuple[int, int]], least: int
) -> None:
    first = Counter(dict(enumerate(lists[0])), SIZE)
    for place, value in changed:
        before, lists[0][place] = lists[0][place], max(value, 0)
        first.change(place, before, lists[0][place])
    total = Counter()
    for counter in (first, *(Counter(dict(enumerate(each)), SIZE) for each in lists[1:])):
        total.add(counter)
    sums = [sum(each) for each in zip(*lists, strict=True)]
    every = bitmap_of(range(SIZE), SIZE)
    assert places_in(total.at_least(least, every)) == {p for p, n in enumerate(sums) if n >= least}
    assert places_in(total.most(every)) == {p for p, n in enumerate(sums) if n == max(sums)}
