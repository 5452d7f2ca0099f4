"""A page of a list is what a few lines of Python say it is: filters, order, markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.undone import undone
from trunkline.domain.ids import FlavorId, ProjectId, ServerId, UserId
from trunkline.domain.listing import ListQuery, SortKey
from trunkline.domain.server import Flavor, Server, ServerState
from trunkline.store.engine import Store
from trunkline.store.transaction import Transaction

START = datetime(2026, 1, 1, tzinfo=UTC)
FLAVOR = Flavor(
    id=FlavorId("f"), name="f", vcpus=1, memory_mib=1, disk_gib=1, created_at=START
)  # fmt: skip
PROJECTS = [ProjectId("p1"), ProjectId("p2")]
# Few values, some of them none: equal keys are the rule.
NAMES = ["web", "Web_1", "w%b", ""]
SERVERS = st.builds(
    Server, id=st.uuids().map(str).map(ServerId), project_id=st.sampled_from(PROJECTS),
    user_id=st.just(UserId("u")), name=st.sampled_from(NAMES),
    state=st.sampled_from([ServerState.ACTIVE, ServerState.ERROR, ServerState.DELETED]),
    flavor=st.just(FLAVOR), image_id=st.none(), port_ids=st.just(()),
    created_at=st.integers(0, 2).map(lambda n: START + timedelta(seconds=n)),
    updated_at=st.just(START), description=st.sampled_from([None, "a", "b"]),
    launched_at=st.none() | st.integers(0, 1).map(lambda n: START + timedelta(hours=n)),
    launch_index=st.integers(0, 1), reservation_id=st.just("r"),
)  # fmt: skip
SORT_KEYS = ["name", "created_at", "description", "launched_at", "launch_index", "id"]
SORTS = st.lists(
    st.builds(SortKey, st.sampled_from(SORT_KEYS), st.booleans()),
    max_size=3,
    unique_by=lambda key: key.name,
).map(tuple)
QUERIES = st.builds(
    ListQuery,
    equals=st.fixed_dictionaries({}, optional={
        "name": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple),
        "description": st.sampled_from([("a",), ("a", "b")]),
        "launch_index": st.sampled_from([(0,), (1,), (0, 1)]),
    }),
    like=st.fixed_dictionaries({}, optional={"name": st.sampled_from(["w%", "%\\_%", "w\\%b"])}),
    at_least=st.fixed_dictionaries({}, optional={
        "created_at": st.just(START + timedelta(seconds=1)),
    }),
    sort=SORTS,
    limit=st.integers(1, 4),
    visible_to=st.sampled_from([None, *PROJECTS]),
)  # fmt: skip
PATTERNS: Mapping[str, Callable[[str], bool]] = {  # What each pattern of `QUERIES` means.
    "w%": lambda name: name.lower().startswith("w"),
    "%\\_%": lambda name: "_" in name,
    "w\\%b": lambda name: name.lower() == "w%b",
}


def expected(servers: Sequence[Server], query: ListQuery) -> list[Server]:
    found = [
        server
        for server in servers
        if server.state is not ServerState.DELETED
        and all(getattr(server, name) in values for name, values in query.equals.items())
        and all(PATTERNS[pattern](server.name) for pattern in query.like.values())
        and all(getattr(server, name) >= least for name, least in query.at_least.items())
        and query.visible_to in (None, server.project_id)
    ]
    found.sort(key=lambda server: server.id)
    for key in reversed(query.sort):
        found.sort(key=lambda server: sortable(getattr(server, key.name)), reverse=key.descending)
    return found


def sortable(value: object) -> tuple[bool, object]:
    return value is not None, value if value is not None else 0


def check(store: Store, servers: Sequence[Server], query: ListQuery) -> None:
    pages: list[list[Server]] = []

    def walk(tx: Transaction) -> None:
        pages.clear()  # It is undone by failing: it may run twice.
        for server in servers:
            tx.servers.insert(server)
        asked = query
        while page := tx.servers.page(asked):
            pages.append(page)
            asked = replace(query, marker=page[-1].id)
            assert len(pages) <= len(servers), "pages repeat"

    undone(store, walk)
    assert [server for page in pages for server in page] == expected(servers, query)
    assert all(len(page) == query.limit for page in pages[:-1])


@settings(max_examples=100)
@given(st.lists(SERVERS, max_size=12, unique_by=lambda server: server.id), QUERIES)
def test_pages_follow_each_other_through_all_that_matches_in_order(
    shared_store: Store, servers: list[Server], query: ListQuery
) -> None:
    check(shared_store, servers, query)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", SORT_KEYS)
def test_pages_by_one_key_of_few_values_some_of_them_none(
    shared_store: Store, name: str, descending: bool
) -> None:
    servers = [
        Server(
            id=ServerId(f"s{number:02}"), project_id=PROJECTS[0], user_id=UserId("u"),
            name=NAMES[number % 3], state=ServerState.ACTIVE, flavor=FLAVOR, image_id=None,
            port_ids=(), created_at=START + timedelta(seconds=number % 2), updated_at=START,
            description=[None, "a", "b"][number % 3], launch_index=number % 2,
            launched_at=None if number % 2 else START,
        )
        for number in range(12)
    ]  # fmt: skip
    for limit in (1, 3, 12):
        check(shared_store, servers, ListQuery(sort=(SortKey(name, descending),), limit=limit))
