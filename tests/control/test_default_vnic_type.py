"""Physical networks whose NICs are passed through unless they say otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.control.scene import Scene
from tests.support.world import DEMO, PHY1, PHY2, a_network
from trunkline.control.networks import get_network
from trunkline.control.ports import create_port
from trunkline.control.requests import NicRequest, PortCreate
from trunkline.domain.device import DeviceKind
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.port import VnicType


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """On phy1 NICs are direct, on phy2 nothing is said."""
    networking = replace(scene.svc.networking, default_vnic_types={PHY1: VnicType.DIRECT})
    scene.svc = replace(scene.svc, networking=networking)
    return scene


@pytest.mark.parametrize(
    ("segments", "vnic_type"),
    [
        (((PHY1, 111),), VnicType.DIRECT),
        (((PHY2, 211),), VnicType.NORMAL),
        (((PHY1, 111), (PHY2, 211)), VnicType.DIRECT),
        (((PHY2, 211), (PHY1, 111)), VnicType.DIRECT),
    ],
)
def test_ports_and_nics_that_say_no_type_have_that_of_the_physical_network(
    scene: Scene, segments: tuple[tuple[PhysicalNetwork, int], ...], vnic_type: VnicType
) -> None:
    network = a_network(scene.svc, "n", *segments)
    assert get_network(scene.svc, DEMO, network.id).default_vnic_type is vnic_type
    port = create_port(scene.svc, DEMO, PortCreate(network_id=network.id)).port
    assert port.vnic_type is vnic_type
    (nic,) = scene.boot(NicRequest(network_id=network.id)).nics
    assert nic.port.port.vnic_type is vnic_type
    assert (nic.port.device is not None) == (vnic_type is VnicType.DIRECT)


def test_of_several_defaults_the_first_segments_counts(scene: Scene) -> None:
    types = {PHY1: VnicType.DIRECT, PHY2: VnicType.MACVTAP}
    scene.svc = replace(
        scene.svc, networking=replace(scene.svc.networking, default_vnic_types=types)
    )
    network = a_network(scene.svc, "n", (PHY2, 211), (PHY1, 111))
    assert get_network(scene.svc, DEMO, network.id).default_vnic_type is VnicType.MACVTAP


def test_who_says_a_type_gets_it(scene: Scene) -> None:
    for vnic_type in VnicType:
        asked = PortCreate(network_id=scene.blue.id, vnic_type=vnic_type)
        assert create_port(scene.svc, DEMO, asked).port.vnic_type is vnic_type
    (nic,) = scene.boot(
        NicRequest(network_id=scene.blue.id, vnic_type=VnicType.DIRECT_PHYSICAL)
    ).nics
    assert nic.port.device is not None
    assert nic.port.device.function.kind is DeviceKind.PF
