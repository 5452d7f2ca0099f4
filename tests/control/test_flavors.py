"""Flavors over a real store: who may make them, what they may be, and what is recorded of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.support.world import ADMIN, DEMO
from trunkline.control.flavors import (
    EXTRA_SPECS_MAX,
    FlavorCreate,
    create_flavor,
    delete_flavor,
    describe_flavor,
    get_flavor,
    list_flavors,
    set_extra_specs,
    unset_extra_spec,
)
from trunkline.control.requests import NicPolicy, ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.services import Services
from trunkline.domain.errors import AlreadyExists, Forbidden, Invalid, NotFound
from trunkline.domain.ids import FlavorId
from trunkline.domain.listing import ListQuery

SMALL = FlavorCreate(name="small", id=FlavorId("1"), vcpus=1, memory_mib=512, disk_gib=1)


def actions(svc: Services) -> list[str]:
    events = svc.store.read(lambda tx: tx.events.page(ListQuery()))
    return sorted(event.action for event in events if event.action.startswith("flavor."))


def test_a_flavor_is_made_seen_and_deleted_and_each_is_recorded(svc: Services) -> None:
    made = create_flavor(svc, ADMIN, SMALL)
    assert get_flavor(svc, DEMO, "1") == made
    assert list_flavors(svc, DEMO, ListQuery()) == [made]
    delete_flavor(svc, ADMIN, "1")
    assert list_flavors(svc, DEMO, ListQuery()) == []
    with pytest.raises(NotFound):
        get_flavor(svc, DEMO, "1")
    with pytest.raises(NotFound):
        delete_flavor(svc, ADMIN, "1")
    assert actions(svc) == ["flavor.create", "flavor.delete"]


def test_a_flavor_without_an_id_gets_one(svc: Services) -> None:
    made = create_flavor(svc, ADMIN, replace(SMALL, id=None))
    assert get_flavor(svc, DEMO, made.id).name == "small"


@pytest.mark.parametrize("again", [replace(SMALL, name="other"), replace(SMALL, id=FlavorId("2"))])
def test_ids_and_names_are_taken_once(svc: Services, again: FlavorCreate) -> None:
    create_flavor(svc, ADMIN, SMALL)
    with pytest.raises(AlreadyExists):
        create_flavor(svc, ADMIN, again)
    assert actions(svc) == ["flavor.create"]


def test_only_admins_change_flavors(svc: Services) -> None:
    create_flavor(svc, ADMIN, SMALL)
    for attempt in (
        lambda: create_flavor(svc, DEMO, replace(SMALL, name="mine", id=None)),
        lambda: describe_flavor(svc, DEMO, "1", "mine"),
        lambda: set_extra_specs(svc, DEMO, "1", {"a": "b"}),
        lambda: unset_extra_spec(svc, DEMO, "1", "a"),
        lambda: delete_flavor(svc, DEMO, "1"),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_a_private_flavor_exists_for_admins_only(svc: Services) -> None:
    create_flavor(svc, ADMIN, replace(SMALL, is_public=False))
    assert [flavor.id for flavor in list_flavors(svc, ADMIN, ListQuery())] == ["1"]
    assert list_flavors(svc, DEMO, ListQuery()) == []
    asks_for_private = ListQuery(equals={"is_public": (False,)})
    assert list_flavors(svc, DEMO, asks_for_private) == []
    with pytest.raises(NotFound):
        get_flavor(svc, DEMO, "1")
    asked = ServerCreate(name="s", flavor_id=FlavorId("1"), image_id=None, nics=NicPolicy.NONE)
    with pytest.raises(NotFound):
        create_server(svc, DEMO, asked)
    create_server(svc, ADMIN, asked)


def test_a_server_keeps_the_flavor_it_was_made_with(svc: Services) -> None:
    create_flavor(svc, ADMIN, SMALL)
    asked = ServerCreate(name="s", flavor_id=FlavorId("1"), image_id=None, nics=NicPolicy.NONE)
    server_id = create_server(svc, DEMO, asked).id
    set_extra_specs(svc, ADMIN, "1", {"later": "yes"})
    delete_flavor(svc, ADMIN, "1")
    kept = get_server(svc, DEMO, server_id).server.flavor
    assert (kept.name, kept.memory_mib, dict(kept.extra_specs)) == ("small", 512, {})


def test_extra_specs_are_added_changed_and_removed_one_by_one(svc: Services) -> None:
    create_flavor(svc, ADMIN, replace(SMALL, extra_specs={"a": "1"}))
    set_extra_specs(svc, ADMIN, "1", {"b": "2"})
    set_extra_specs(svc, ADMIN, "1", {"a": "3"})
    assert dict(get_flavor(svc, DEMO, "1").extra_specs) == {"a": "3", "b": "2"}
    unset_extra_spec(svc, ADMIN, "1", "a")
    assert dict(get_flavor(svc, DEMO, "1").extra_specs) == {"b": "2"}
    with pytest.raises(NotFound):
        unset_extra_spec(svc, ADMIN, "1", "a")


def test_extra_specs_have_a_limit_however_they_come(svc: Services) -> None:
    create_flavor(svc, ADMIN, SMALL)
    half = EXTRA_SPECS_MAX // 2 + 1
    set_extra_specs(svc, ADMIN, "1", {f"a{n}": "" for n in range(half)})
    with pytest.raises(Invalid):
        set_extra_specs(svc, ADMIN, "1", {f"b{n}": "" for n in range(half)})


def test_a_description_can_be_given_and_taken_away(svc: Services) -> None:
    create_flavor(svc, ADMIN, SMALL)
    assert describe_flavor(svc, ADMIN, "1", "for tests").description == "for tests"
    assert describe_flavor(svc, ADMIN, "1", None).description is None
    with pytest.raises(Invalid):
        describe_flavor(svc, ADMIN, "1", "x" * 65_536)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " small"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x07"}, "name"),
        ({"id": "a/b"}, "id"),
        ({"id": " "}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"vcpus": 0}, "vcpus"),
        ({"vcpus": 2**31}, "vcpus"),
        ({"memory_mib": 0}, "ram"),
        ({"disk_gib": -1}, "disk"),
        ({"ephemeral_gib": -1}, "OS-FLV-EXT-DATA:ephemeral"),
        ({"swap_mib": 2**31}, "swap"),
        ({"rxtx_factor": 0.0}, "rxtx_factor"),
        ({"rxtx_factor": math.nan}, "rxtx_factor"),
        ({"rxtx_factor": math.inf}, "rxtx_factor"),
        ({"extra_specs": {"a/b": "1"}}, "extra_specs"),
        ({"extra_specs": {"a": "\n"}}, "extra_specs.a"),
        ({"extra_specs": {"a": "x" * 256}}, "extra_specs.a"),
    ],
)
def test_a_fault_is_told_with_its_field(svc: Services, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        create_flavor(svc, ADMIN, replace(SMALL, **changes))
    assert refused.value.field == field
    assert list_flavors(svc, ADMIN, ListQuery()) == []
