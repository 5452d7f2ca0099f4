"""QinQ networks: who may have ports on them, and on which devices these are placed.

h1   mlx5, by the table: no 802.1ad      h2   ice, seen to put 802.1ad tags on
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, PHY1, PHY2, a_card, pooled
from trunkline.control.desired import desired_config
from trunkline.control.explaining import explain
from trunkline.control.network_requests import NetworkCreate, SegmentRequest
from trunkline.control.networking import ConnectivityCheck
from trunkline.control.networks import create_network, get_network, list_networks
from trunkline.control.ports import create_port, update_port
from trunkline.control.requests import ExplainRequest, NicRequest, PortCreate, PortUpdate
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.errors import DeviceTaken, Invalid
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, NetworkType
from trunkline.domain.network_pool import PoolMode
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.domain.vf import VlanProtocol
from trunkline.domain.vf_capabilities import capability_names, vf_capabilities
from trunkline.placement.asks.request import Reason

ABLE = capability_names(replace(vf_capabilities("ice"), vlan_8021ad=True))


def able(card: list[OfferedDevice]) -> tuple[OfferedDevice, ...]:
    """The same card, of which 802.1ad was seen."""
    return tuple(replace(each, function=replace(each.function, pf_can=ABLE)) for each in card)


@pytest.fixture
def scene(scene: Scene) -> Scene:
    scene.agents["h1"].report(inventory=tuple(a_card(5, "phy1")))
    scene.agents["h2"].report(inventory=able(a_card(5, "phy1", driver="ice")))
    return scene


@pytest.fixture
def outer(scene: Scene) -> Network:
    wanted = SegmentRequest(NetworkType.VLAN, PHY1, 150)
    request = NetworkCreate(name="outer", segments=(wanted,), qinq=True, shared=True)
    return create_network(scene.svc, ADMIN, request).network


def test_a_vf_is_had_where_the_card_tags_so_and_is_told_to(scene: Scene, outer: Network) -> None:
    views = [scene.boot(on(outer)) for _ in range(4)]
    assert {view.host and view.host.name for view in views} == {"h2"}
    nics = [
        nic for server in desired_config(scene.svc, HostName("h2")).servers for nic in server.nics
    ]
    assert {(nic.vlan_id, nic.vlan_protocol) for nic in nics} == {(150, VlanProtocol.DOT1AD)}
    full = scene.boot(on(outer))
    assert full.server.state is ServerState.ERROR
    scene.boot(on(scene.blue))
    (ordinary,) = desired_config(scene.svc, HostName("h1")).servers
    assert ordinary.nics[0].vlan_protocol is VlanProtocol.DOT1Q
    scene.index_agrees()


def test_what_is_seen_of_a_driver_later_counts_from_then_on(scene: Scene, outer: Network) -> None:
    scene.agents["h2"].report(inventory=tuple(a_card(5, "phy1", driver="ice")))
    assert scene.boot(on(outer)).server.state is ServerState.ERROR
    scene.agents["h2"].report(inventory=able(a_card(5, "phy1", driver="ice")))
    view = scene.boot(on(outer))
    assert view.host is not None
    assert view.host.name == "h2"


def test_explain_says_what_is_lacking(scene: Scene, outer: Network) -> None:
    scene.agents["h2"].report(inventory=())
    told = explain(scene.svc, ADMIN, ExplainRequest(nics=(on(outer),), flavor_id=None))
    assert told.explanation is not None
    (of_h1,) = (host for host in told.explanation.nearest if host.host_name == "h1")
    (lacking,) = of_h1.nics
    assert lacking.reason is Reason.NO_MATCHING_DEVICE, "h1 is cabled to the network"
    assert lacking.detail.endswith("none of them with can.vlan_8021ad=true too")
    to_tenants = explain(scene.svc, DEMO, ExplainRequest(nics=(on(outer),), flavor_id=None))
    assert to_tenants.explanation is not None
    assert to_tenants.explanation.counts == {Reason.NO_MATCHING_DEVICE: 1, Reason.NO_DEVICE: 1}
    assert to_tenants.explanation.nearest == ()


def test_nics_that_say_no_type_are_direct_and_others_are_refused(
    scene: Scene, outer: Network
) -> None:
    assert get_network(scene.svc, DEMO, outer.id).default_vnic_type is VnicType.DIRECT
    made = create_port(scene.svc, DEMO, PortCreate(network_id=outer.id)).port
    assert made.vnic_type is VnicType.DIRECT
    (nic,) = scene.boot(NicRequest(network_id=outer.id)).nics
    assert nic.port.device is not None
    assert nic.port.device.function.kind is DeviceKind.VF
    for vnic_type in set(VnicType) - {VnicType.DIRECT}:
        with pytest.raises(Invalid, match=r"which is QinQ: .* use a port of type direct"):
            create_port(scene.svc, DEMO, PortCreate(network_id=outer.id, vnic_type=vnic_type))
        with pytest.raises(Invalid, match="which is QinQ"):
            update_port(scene.svc, DEMO, made.id, PortUpdate(vnic_type=vnic_type))
        with pytest.raises(Invalid, match="which is QinQ"):
            scene.boot(on(outer, vnic_type))


def test_an_admin_claims_no_device_that_can_not_tag_so(scene: Scene, outer: Network) -> None:
    profile = {"pci_slot": "0000:05:02.0"}
    with pytest.raises(DeviceTaken, match=r"needs can\.vlan_8021ad = 'true'"):
        create_port(
            scene.svc,
            ADMIN,
            PortCreate(network_id=outer.id, vnic_type=VnicType.DIRECT, host=HostName("h1"),
                       profile=profile),
        )  # fmt: skip
    claimed = PortCreate(
        network_id=outer.id, vnic_type=VnicType.DIRECT, host=HostName("h2"), profile=profile
    )
    assert create_port(scene.svc, ADMIN, claimed).binding is not None


def test_where_connectivity_is_checked_late_the_network_side_refuses(
    scene: Scene, outer: Network
) -> None:
    scene.agents["h2"].report(inventory=())
    networking = replace(scene.svc.networking, connectivity_check=ConnectivityCheck.BINDING)
    scene.svc = replace(scene.svc, networking=networking)
    view = scene.boot(on(outer))
    assert view.server.state is ServerState.ERROR
    assert view.server.fault is not None
    assert "can.vlan_8021ad" in view.server.fault.details


@pytest.mark.parametrize(
    "segments",
    [
        (SegmentRequest(NetworkType.FLAT, PHY1),),
        (SegmentRequest(NetworkType.VXLAN),),
        (SegmentRequest(NetworkType.VLAN, PHY1, 160), SegmentRequest(NetworkType.FLAT, PHY2)),
    ],
)
def test_only_vlans_have_an_outer_tag(scene: Scene, segments: tuple[SegmentRequest, ...]) -> None:
    with pytest.raises(Invalid, match="segment has no VLAN tag to be an outer one: use vlan"):
        create_network(scene.svc, ADMIN, NetworkCreate(segments=segments, qinq=True))


def test_a_tenants_qinq_network_is_a_vlan_of_the_ranges(scene: Scene) -> None:
    types = (NetworkType.VXLAN, NetworkType.VLAN)
    networking = replace(scene.svc.networking, tenant_network_types=types)
    scene.svc = replace(scene.svc, networking=networking)
    (segment,) = create_network(scene.svc, DEMO, NetworkCreate(qinq=True)).network.segments
    assert segment.network_type is NetworkType.VLAN
    (plain,) = create_network(scene.svc, DEMO, NetworkCreate()).network.segments
    assert plain.network_type is NetworkType.VXLAN
    networking = replace(networking, tenant_network_types=(NetworkType.VXLAN,))
    scene.svc = replace(scene.svc, networking=networking)
    with pytest.raises(Invalid, match="tenants' networks here are none"):
        create_network(scene.svc, DEMO, NetworkCreate(qinq=True))


def test_libvirt_may_hand_the_vf_out_from_a_network_pool(scene: Scene, outer: Network) -> None:
    pool = pooled(a_card(5, "phy1", driver="ice"), PoolMode.HOSTDEV)
    scene.agents["h1"].report(inventory=tuple(pooled(a_card(5, "phy1"), PoolMode.HOSTDEV)))
    scene.agents["h2"].report(inventory=able(pool))
    view = scene.boot(on(outer))
    assert view.host is not None
    assert view.host.name == "h2"


def test_networks_are_found_by_it(scene: Scene, outer: Network) -> None:
    query = ListQuery(equals={"qinq": (True,)})
    assert [each.network.id for each in list_networks(scene.svc, ADMIN, query)] == [outer.id]
    others = list_networks(scene.svc, ADMIN, ListQuery(equals={"qinq": (False,)}))
    assert outer.id not in {each.network.id for each in others}
    assert others
