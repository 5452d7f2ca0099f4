"""Allocation candidates of small trees, by hand and held against all ways tried one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.api.placement.filters import TraitDemand
from trunkline.domain import candidates as module
from trunkline.domain.candidates import (
    Candidate,
    CandidateSearch,
    CandidatesWanted,
    RequestGroup,
)
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import HostId
from trunkline.domain.providers import Inventory, ResourceProvider

VF, CPU, MBPS = "SRIOV_NET_VF", "VCPU", "NET_BW_EGR_KILOBIT_PER_SEC"


def a_tree(name: str, *providers: Mapping[str, int], **traits: str) -> list[ResourceProvider]:
    """The first is the root; the traits of provider N are those of `tN`."""
    return [
        ResourceProvider(
            id=name if at == 0 else f"{name}/{at}",
            name="",
            host_id=HostId(name),
            generation=1,
            inventories={each: Inventory(total=total) for each, total in inventories.items()},
            traits=frozenset(traits.get(f"t{at}", "").split()),
        )
        for at, inventories in enumerate(providers)
    ]


def candidates(
    trees: Sequence[Sequence[ResourceProvider]], wanted: CandidatesWanted
) -> list[Candidate]:
    search, found = CandidateSearch(wanted), list[Candidate]()
    for tree in trees:
        found += search.of_tree(tree)
        if not search.left:
            break
    return found


def must_have(*names: str) -> list[TraitDemand]:
    return [
        TraitDemand(any_of=frozenset({name.removeprefix("!")}), forbidden=name[0] == "!")
        for name in names
    ]


def parts(found: Sequence[Candidate]) -> list[dict[str, dict[str, int]]]:
    return [{one: dict(amounts) for one, amounts in each.resources.items()} for each in found]


HOST = a_tree(
    "h", {CPU: 4}, {VF: 2, MBPS: 1000}, {VF: 1}, t1="PHY1 HW", t2="PHY2 HW"
)  # fmt: skip


def test_resources_without_a_suffix_may_come_from_different_providers() -> None:
    wanted = CandidatesWanted(groups=[RequestGroup(resources={CPU: 1, VF: 1})])
    assert parts(candidates([HOST], wanted)) == [
        {"h": {CPU: 1}, "h/1": {VF: 1}}, {"h": {CPU: 1}, "h/2": {VF: 1}},
    ]  # fmt: skip
    assert candidates([HOST], CandidatesWanted(groups=[RequestGroup(resources={VF: 3})])) == []


def test_traits_are_sought_among_all_that_serve_a_group_and_shunned_in_each() -> None:
    for names, served in (
        (("PHY1",), ["h/1"]), (("!PHY1",), ["h/2"]), (("HW",), ["h/1", "h/2"]), (("X",), []),
    ):  # fmt: skip
        group = RequestGroup(resources={CPU: 1, VF: 1}, traits=must_have(*names))
        found = candidates([HOST], CandidatesWanted(groups=[group]))
        assert [each.mappings[""][1] for each in found] == served


def test_a_group_with_a_suffix_has_one_provider_for_all_of_it() -> None:
    group = RequestGroup(suffix="1", resources={VF: 1, MBPS: 500})
    (found,) = candidates([HOST], CandidatesWanted(groups=[group]))
    assert found.mappings == {"1": ("h/1",)}
    both = RequestGroup(suffix="1", resources={VF: 1, CPU: 1})
    assert candidates([HOST], CandidatesWanted(groups=[both])) == []


def test_what_groups_take_of_one_provider_together_must_be_there() -> None:
    groups = [RequestGroup(suffix=str(n), resources={VF: 1}) for n in (1, 2)]
    found = candidates([HOST], CandidatesWanted(groups=groups))
    assert parts(found) == [
        {"h/1": {VF: 2}}, {"h/1": {VF: 1}, "h/2": {VF: 1}}, {"h/2": {VF: 1}, "h/1": {VF: 1}},
    ]  # fmt: skip
    apart = candidates([HOST], CandidatesWanted(groups=groups, isolated=True))
    assert [list(each.mappings.values()) for each in apart] == [
        [("h/1",), ("h/2",)], [("h/2",), ("h/1",)],
    ]  # fmt: skip


def test_groups_of_one_subtree_have_one_provider_above_the_others() -> None:
    groups = [
        RequestGroup(suffix="A", resources={VF: 1}),
        RequestGroup(suffix="B", resources={VF: 1}),
    ]
    wanted = CandidatesWanted(groups=groups, same_subtrees=[frozenset("AB")])
    assert parts(candidates([HOST], wanted)) == [{"h/1": {VF: 2}}]
    root = [
        RequestGroup(suffix="A", resources={VF: 1}),
        RequestGroup(suffix="B", resources={CPU: 1}),
    ]
    wanted = CandidatesWanted(groups=root, same_subtrees=[frozenset("AB")])
    assert len(candidates([HOST], wanted)) == 2


def test_a_tree_and_its_root_can_be_named() -> None:
    trees = [a_tree("a", {CPU: 1}, t0="OK"), a_tree("b", {CPU: 1}, {VF: 1})]
    group = RequestGroup(resources={CPU: 1}, in_tree="b/1")
    assert parts(candidates(trees, CandidatesWanted(groups=[group]))) == [{"b": {CPU: 1}}]
    wanted = CandidatesWanted(
        groups=[RequestGroup(resources={CPU: 1})], root_traits=must_have("OK")
    )
    assert parts(candidates(trees, wanted)) == [{"a": {CPU: 1}}]


def test_no_more_than_the_limit_and_never_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = [a_tree(str(n), {CPU: 1}) for n in range(5)]
    groups = [RequestGroup(resources={CPU: 1})]
    assert len(candidates(trees, CandidatesWanted(groups=groups, limit=3))) == 3
    monkeypatch.setattr(module, "CANDIDATES_MAX", 4)
    with pytest.raises(Invalid, match="limit"):
        candidates(trees, CandidatesWanted(groups=groups))
    monkeypatch.setattr(module, "COMBINATIONS_MAX", 4)
    with pytest.raises(Invalid, match="fewer groups"):
        candidates(trees, CandidatesWanted(groups=groups, limit=9))


NAMES = (CPU, VF, MBPS)
AMOUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3)
TRAITS = st.frozensets(st.sampled_from("XYZ"), max_size=2)
TREES = st.lists(st.tuples(AMOUNTS, TRAITS), min_size=1, max_size=4)
GROUPS = st.tuples(
    AMOUNTS.filter(bool), st.lists(st.sampled_from(["X", "Y", "!X", "!Z"]), max_size=2)
)


Asked = list[tuple[dict[str, int], list[str]]]
Way = tuple[object, ...]  # What is taken of which provider, and which providers serve each group.


@given(TREES, st.lists(GROUPS, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_no_way_is_missing_and_none_is_wrong(
    providers: list[tuple[dict[str, int], frozenset[str]]],
    asked: Asked,
    has_free_group: bool,
    isolated: bool,
) -> None:
    tree = a_tree(
        "h", *(amounts for amounts, _ in providers),
        **{f"t{at}": " ".join(traits) for at, (_, traits) in enumerate(providers)},
    )  # fmt: skip
    groups = [
        RequestGroup(
            suffix="" if has_free_group and at == 0 else str(at + 1),
            resources=amounts,
            traits=must_have(*names),
        )
        for at, (amounts, names) in enumerate(asked)
    ]
    found = candidates([tree], CandidatesWanted(groups=groups, isolated=isolated))
    number = {provider.id: at for at, provider in enumerate(tree)}
    told = [
        way(
            {
                (number[p], n): a
                for p, amounts in each.resources.items()
                for n, a in amounts.items()
            },
            [{number[p] for p in each.mappings[group.suffix]} for group in groups],
        )
        for each in found
    ]
    assert len(told) == len(set(told))
    assert set(told) == every_way(providers, asked, has_free_group, isolated)


def way(used: Mapping[tuple[int, str], int], by_group: Sequence[set[int]]) -> Way:
    return (*sorted(used.items()), *(tuple(sorted(each)) for each in by_group))


def every_way(
    providers: list[tuple[dict[str, int], frozenset[str]]],
    asked: Asked,
    has_free_group: bool,
    isolated: bool,
) -> set[Way]:
    """Every assignment of each class of each group to any provider, of which the wrong are left."""
    slots = [(at, name) for at, (amounts, _) in enumerate(asked) for name in amounts]
    alone = range(1 if has_free_group else 0, len(asked))
    right = set()
    for choice in product(range(len(providers)), repeat=len(slots)):
        used: dict[tuple[int, str], int] = {}
        by_group: list[set[int]] = [set() for _ in asked]
        for (at, name), provider in zip(slots, choice, strict=True):
            used[provider, name] = used.get((provider, name), 0) + asked[at][0][name]
            by_group[at].add(provider)
        if (
            all(amount <= providers[p][0].get(name, 0) for (p, name), amount in used.items())
            and all(len(by_group[at]) == 1 for at in alone)
            and not (isolated and len(set().union(*(by_group[at] for at in alone))) < len(alone))
            and all(
                (name.removeprefix("!") in set().union(*(providers[p][1] for p in by_group[at])))
                is not name.startswith("!")
                for at, (_, names) in enumerate(asked)
                for name in names
            )
        ):
            right.add(way(used, by_group))
    return right
