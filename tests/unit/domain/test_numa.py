"""Lists of CPUs, and what servers use of nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.host import HostResources, HostUse
from trunkline.domain.numa import (
    CPU_NUMBER_MAX,
    NumaNode,
    NumaUse,
    cpu_numbers,
    with_memory,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", set()),
        ("0", {0}),
        ("0-3", {0, 1, 2, 3}),
        ("0-1,8,10-11", {0, 1, 8, 10, 11}),
        ("8191", {8191}),
        ("007", {7}),
    ],
)
def test_a_list_of_cpus_is_read_as_linux_writes_it(text: str, numbers: set[int]) -> None:
    assert cpu_numbers(text) == numbers


@pytest.mark.parametrize(
    "text", ["a", "-1", "1-", "1,", ",1", "1 ", "1-2-3", "3-1", "1,1", "0-4,3", "8192", "٣", "1\n"]
)
def test_what_is_no_list_of_cpus_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(ValueError, match="cpus"):
        cpu_numbers(text)


@given(st.sets(st.integers(0, CPU_NUMBER_MAX), max_size=40))
def test_any_set_of_cpus_can_be_written_one_by_one(numbers: set[int]) -> None:
    assert cpu_numbers(",".join(map(str, numbers))) == numbers


def test_nodes_of_a_host_share_no_cpu_and_have_no_more_memory_than_it() -> None:
    def of(*nodes: NumaNode) -> HostResources:
        return HostResources(vcpus=8, memory_mib=1000, disk_gib=1, numa_nodes=nodes)

    first = NumaNode(number=0, cpus="0-3", memory_mib=500)
    assert of(first, NumaNode(number=5, cpus="4-7", memory_mib=500)).find_node(5) is not None
    for second in (
        NumaNode(number=0, cpus="4", memory_mib=1),
        NumaNode(number=1, cpus="3-4", memory_mib=1),
        NumaNode(number=1, cpus="4", memory_mib=501),
    ):
        with pytest.raises(ValueError, match="NUMA node"):
            of(first, second)


def test_what_is_taken_and_given_back_leaves_nothing() -> None:
    web = HostUse(2, 512, 10, {1: NumaUse(2, 512)})
    db = HostUse(4, 1024, 20, {0: NumaUse(4, 1024)})
    both = web + db
    assert both == HostUse(6, 1536, 30, {0: NumaUse(4, 1024), 1: NumaUse(2, 512)})
    assert both + -web == db
    assert both + -web + -db == HostUse(0, 0, 0)


def test_memory_that_a_host_keeps_is_kept_of_each_node_by_its_share() -> None:
    nodes = (
        NumaNode(number=0, cpus="0-3", memory_mib=600),
        NumaNode(number=1, cpus="4-7", memory_mib=400),
    )
    given = with_memory(nodes, 500, of=1000)
    assert [(node.number, node.memory_mib) for node in given] == [(0, 300), (1, 200)]
    HostResources(vcpus=8, memory_mib=500, disk_gib=1, numa_nodes=given)
    for enough in (1000, 2000):
        assert with_memory(nodes, enough, of=1000) == nodes
