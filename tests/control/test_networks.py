"""Networks: who may make which, and which segments they get."""

from __future__ import annotations

import threading
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import ADMIN, DEMO, OTHER, PHY1, PHY2, a_caller, a_world
from trunkline.control.network_requests import (
    NetworkCreate,
    NetworkUpdate,
    SegmentRequest,
    SubnetCreate,
)
from trunkline.control.network_segments import list_segments
from trunkline.control.networking import IdRange, Networking
from trunkline.control.networks import (
    NetworkView,
    create_network,
    create_networks,
    delete_network,
    get_network,
    list_networks,
    update_network,
)
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.services import Services
from trunkline.control.subnets import create_subnet
from trunkline.domain.errors import (
    AlreadyExists,
    Forbidden,
    GenerationMoved,
    InUse,
    Invalid,
    NoSegmentationIdFree,
    NotFound,
)
from trunkline.domain.identity import READER as READER_ROLE
from trunkline.domain.ids import PhysicalNetwork, ProjectId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import NetworkType

READER = a_caller("demo", READER_ROLE)
VLAN, FLAT, VXLAN = NetworkType.VLAN, NetworkType.FLAT, NetworkType.VXLAN


def with_networking(svc: Services, **changes: Any) -> Services:
    return replace(svc, networking=replace(svc.networking, **changes))


def where(view: NetworkView) -> list[tuple[str, str | None, int | None]]:
    return [
        (segment.network_type.value, segment.physical_network, segment.segmentation_id)
        for segment in view.network.segments
    ]


def named(svc: Services, *segments: SegmentRequest, name: str = "n") -> NetworkView:
    return create_network(svc, ADMIN, NetworkCreate(name=name, segments=segments))


def test_a_tenants_network_gets_the_lowest_free_vlan_of_the_first_range(svc: Services) -> None:
    named(svc, SegmentRequest(VLAN, PHY1, 100))
    named(svc, SegmentRequest(VLAN, PHY1, 102))
    first, second = (create_network(svc, DEMO, NetworkCreate()) for _ in range(2))
    assert where(first) == [("vlan", "phy1", 101)]
    assert where(second) == [("vlan", "phy1", 103)]
    assert not first.network.provider


def test_the_next_physical_network_is_used_once_a_range_is_full(svc: Services) -> None:
    small = with_networking(svc, vlan_ranges={PHY1: (IdRange(7, 8),), PHY2: (IdRange(5, 5),)})
    found = [where(create_network(small, DEMO, NetworkCreate()))[0] for _ in range(3)]
    assert found == [("vlan", "phy1", 7), ("vlan", "phy1", 8), ("vlan", "phy2", 5)]
    with pytest.raises(NoSegmentationIdFree):
        create_network(small, DEMO, NetworkCreate())


def test_a_deleted_networks_vlan_is_given_again(svc: Services) -> None:
    first = create_network(svc, DEMO, NetworkCreate())
    delete_network(svc, DEMO, first.network.id)
    assert where(create_network(svc, DEMO, NetworkCreate())) == where(first)


def test_tenant_networks_made_at_once_never_share_a_vlan(tmp_path: Path) -> None:
    with a_world(tmp_path) as svc:
        made: list[tuple[str, str | None, int | None]] = []

        def make() -> None:
            for _ in range(5):
                made.extend(where(create_network(svc, DEMO, NetworkCreate())))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(made) == [("vlan", "phy1", vlan) for vlan in range(100, 140)]


def test_a_segment_that_is_taken_is_refused_by_name(svc: Services) -> None:
    named(svc, SegmentRequest(VLAN, PHY1, 150))
    with pytest.raises(AlreadyExists, match="vlan 150 on phy1"):
        named(svc, SegmentRequest(VLAN, PHY1, 150))
    assert where(named(svc, SegmentRequest(VLAN, PHY2, 150))) == [("vlan", "phy2", 150)]


def test_a_physical_network_carries_one_flat_network(svc: Services) -> None:
    named(svc, SegmentRequest(FLAT, PHY1))
    with pytest.raises(AlreadyExists):
        named(svc, SegmentRequest(FLAT, PHY1))


def test_an_admin_may_leave_the_vlan_to_the_ranges_of_a_physical_network(svc: Services) -> None:
    assert where(named(svc, SegmentRequest(VLAN, PHY2))) == [("vlan", "phy2", 200)]


def test_a_vlan_outside_the_tenant_ranges_is_the_admins_to_name(svc: Services) -> None:
    assert where(named(svc, SegmentRequest(VLAN, PHY1, 3000))) == [("vlan", "phy1", 3000)]


def test_several_segments_get_different_ids(svc: Services) -> None:
    wanted = [SegmentRequest(VLAN, PHY1), SegmentRequest(VLAN, PHY1), SegmentRequest(FLAT, PHY2)]
    view = named(svc, *wanted)
    assert where(view) == [("vlan", "phy1", 100), ("vlan", "phy1", 101), ("flat", "phy2", None)]
    assert list(view.requirements.values()) == [
        {"e.physical_network": "phy1"},
        {"e.physical_network": "phy1"},
        {"e.physical_network": "phy2"},
    ]


@pytest.mark.parametrize(
    ("segment", "field"),
    [
        (SegmentRequest(VLAN, PHY1, 0), "provider:segmentation_id"),
        (SegmentRequest(VLAN, PHY1, 4095), "provider:segmentation_id"),
        (SegmentRequest(VLAN, PHY1, -1), "provider:segmentation_id"),
        (SegmentRequest(VLAN, PHY1, 70000), "provider:segmentation_id"),
        (SegmentRequest(VLAN, None, 100), "provider:physical_network"),
        (SegmentRequest(VLAN, PhysicalNetwork("phy9"), 100), "provider:physical_network"),
        (SegmentRequest(VLAN, PhysicalNetwork("phy9")), "provider:physical_network"),
        (SegmentRequest(FLAT), "provider:physical_network"),
        (SegmentRequest(FLAT, PHY1, 5), "provider:segmentation_id"),
        (SegmentRequest(VXLAN, PHY1), "provider:physical_network"),
        (SegmentRequest(VXLAN, None, 2**24), "provider:segmentation_id"),
        (SegmentRequest(VXLAN, None, 0), "provider:segmentation_id"),
    ],
)
def test_a_segment_that_cannot_be_is_refused(
    svc: Services, segment: SegmentRequest, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        named(svc, segment)
    assert refused.value.field == field
    assert list_networks(svc, ADMIN, ListQuery()) == []


def test_the_same_segment_twice_is_refused(svc: Services) -> None:
    with pytest.raises(Invalid, match="twice"):
        named(svc, SegmentRequest(VLAN, PHY1, 150), SegmentRequest(VLAN, PHY1, 150))


def test_tunnelled_networks_demand_nothing_of_devices_and_carry_smaller_packets(
    svc: Services,
) -> None:
    view = named(svc, SegmentRequest(VXLAN))
    assert where(view) == [("vxlan", None, 1)]
    assert list(view.requirements.values()) == [{}]
    assert view.network.mtu == 1450


@pytest.mark.parametrize("mtu", [1501, -5])
def test_an_mtu_that_the_network_does_not_carry_is_refused(svc: Services, mtu: int) -> None:
    with pytest.raises(Invalid) as refused:
        create_network(svc, DEMO, NetworkCreate(mtu=mtu))
    assert refused.value.field == "mtu"


@pytest.mark.parametrize(
    "request_",
    [
        NetworkCreate(segments=(SegmentRequest(VLAN, PHY1, 100),)),
        NetworkCreate(shared=True),
        NetworkCreate(project_id=ProjectId("project-other")),
    ],
)
def test_segments_sharing_and_other_projects_are_for_admins(
    svc: Services, request_: NetworkCreate
) -> None:
    with pytest.raises(Forbidden):
        create_network(svc, DEMO, request_)
    assert create_network(svc, ADMIN, request_).network.name == ""


def test_a_reader_changes_nothing(svc: Services) -> None:
    network_id = create_network(svc, DEMO, NetworkCreate()).network.id
    with pytest.raises(Forbidden):
        create_network(svc, READER, NetworkCreate())
    with pytest.raises(Forbidden):
        update_network(svc, READER, network_id, NetworkUpdate(name="x"))
    with pytest.raises(Forbidden):
        delete_network(svc, READER, network_id)
    assert get_network(svc, READER, network_id).network.id == network_id


def test_another_projects_network_does_not_exist(svc: Services) -> None:
    network_id = create_network(svc, DEMO, NetworkCreate()).network.id
    with pytest.raises(NotFound):
        get_network(svc, OTHER, network_id)
    with pytest.raises(NotFound):
        update_network(svc, OTHER, network_id, NetworkUpdate(name="x"))
    with pytest.raises(NotFound):
        delete_network(svc, OTHER, network_id)
    assert list_networks(svc, OTHER, ListQuery()) == []


def test_a_shared_network_is_seen_by_all_and_changed_by_its_owner_alone(svc: Services) -> None:
    network_id = create_network(svc, ADMIN, NetworkCreate(shared=True)).network.id
    assert get_network(svc, DEMO, network_id).network.id == network_id
    assert [view.network.id for view in list_networks(svc, DEMO, ListQuery())] == [network_id]
    with pytest.raises(Forbidden):
        update_network(svc, DEMO, network_id, NetworkUpdate(name="mine"))
    with pytest.raises(Forbidden):
        delete_network(svc, DEMO, network_id)


def test_provider_attributes_are_no_filter_for_tenants(svc: Services) -> None:
    query = ListQuery(equals={"segmentation_id": (100,)})
    with pytest.raises(Forbidden):
        list_networks(svc, DEMO, query)
    mine = create_network(svc, DEMO, NetworkCreate()).network
    create_network(svc, DEMO, NetworkCreate())
    assert [view.network.id for view in list_networks(svc, ADMIN, query)] == [mine.id]
    assert list_segments(svc, DEMO, ListQuery()) == []
    assert len(list_segments(svc, ADMIN, ListQuery())) == 2


def test_an_update_changes_what_it_names_and_raises_the_revision(svc: Services) -> None:
    before = create_network(svc, DEMO, NetworkCreate(name="a", description="d")).network
    after = update_network(svc, DEMO, before.id, NetworkUpdate(name="b", mtu=1400)).network
    assert (after.name, after.description, after.mtu) == ("b", "d", 1400)
    assert after.revision == before.revision + 1
    assert get_network(svc, DEMO, before.id).network == after


def test_an_update_of_an_older_revision_is_refused(svc: Services) -> None:
    network = create_network(svc, DEMO, NetworkCreate(name="a")).network
    update_network(svc, DEMO, network.id, NetworkUpdate(name="b", seen_revision=network.revision))
    with pytest.raises(GenerationMoved):
        update_network(
            svc, DEMO, network.id, NetworkUpdate(name="c", seen_revision=network.revision)
        )
    assert get_network(svc, DEMO, network.id).network.name == "b"


def test_the_vlan_of_a_network_can_change_to_a_free_one(svc: Services) -> None:
    network_id = named(svc, SegmentRequest(VLAN, PHY1, 150)).network.id
    named(svc, SegmentRequest(VLAN, PHY1, 151))
    changed = update_network(svc, ADMIN, network_id, NetworkUpdate(segmentation_id=152))
    assert where(changed) == [("vlan", "phy1", 152)]
    assert where(get_network(svc, ADMIN, network_id)) == [("vlan", "phy1", 152)]
    with pytest.raises(AlreadyExists):
        update_network(svc, ADMIN, network_id, NetworkUpdate(segmentation_id=151))
    with pytest.raises(Invalid):
        update_network(svc, ADMIN, network_id, NetworkUpdate(segmentation_id=4095))


def test_a_network_with_ports_stays(svc: Services) -> None:
    network_id = create_network(svc, DEMO, NetworkCreate()).network.id
    create_port(svc, DEMO, PortCreate(network_id=network_id))
    with pytest.raises(InUse, match="1 port"):
        delete_network(svc, DEMO, network_id)
    assert get_network(svc, DEMO, network_id)


def test_a_shared_network_stays_shared_while_others_have_ports_on_it(svc: Services) -> None:
    network_id = create_network(svc, ADMIN, NetworkCreate(shared=True)).network.id
    create_port(svc, DEMO, PortCreate(network_id=network_id))
    with pytest.raises(InUse):
        update_network(svc, ADMIN, network_id, NetworkUpdate(shared=False))


def test_a_network_goes_with_its_subnets(svc: Services) -> None:
    network_id = create_network(svc, DEMO, NetworkCreate()).network.id
    create_subnet(svc, DEMO, SubnetCreate(network_id=network_id, cidr=ip_network("10.0.0.0/24")))
    delete_network(svc, DEMO, network_id)
    with pytest.raises(NotFound):
        get_network(svc, DEMO, network_id)


def test_of_several_networks_all_are_made_or_none(svc: Services) -> None:
    good = NetworkCreate(name="good")
    bad = NetworkCreate(name="bad", mtu=5000)
    with pytest.raises(Invalid):
        create_networks(svc, DEMO, [good, bad])
    assert list_networks(svc, DEMO, ListQuery()) == []
    assert len(create_networks(svc, DEMO, [good, good])) == 2


def test_every_change_is_in_the_audit_trail(svc: Services) -> None:
    network_id = create_network(svc, DEMO, NetworkCreate(name="a")).network.id
    update_network(svc, DEMO, network_id, NetworkUpdate(name="b"))
    delete_network(svc, DEMO, network_id)
    events = svc.store.read(lambda tx: tx.events.page(ListQuery()))
    assert [(event.action, event.subject) for event in events] == [
        ("network.delete", f"network {network_id}"),
        ("network.update", f"network {network_id}"),
        ("network.create", f"network {network_id}"),
    ]
    assert events[-1].details["segments"] == ["vlan 100 on phy1"]
    assert {event.actor for event in events} == {"user demo"}


def test_without_a_driver_for_the_type_no_network_is_made(svc: Services) -> None:
    only_physical = with_networking(svc, drivers=svc.networking.drivers[:1])
    with pytest.raises(Invalid, match="vxlan"):
        named(only_physical, SegmentRequest(VXLAN))


def test_tenants_get_tunnels_where_the_operator_says_so(svc: Services) -> None:
    networking: Networking = replace(
        svc.networking, tenant_network_types=(VXLAN,), vxlan_range=IdRange(5000, 5001)
    )
    tunnelled = replace(svc, networking=networking)
    assert where(create_network(tunnelled, DEMO, NetworkCreate())) == [("vxlan", None, 5000)]
