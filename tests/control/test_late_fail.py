"""Connectivity checked at binding: the scheduler knows nothing of it, and the network refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.events import list_events
from trunkline.control.networking import ConnectivityCheck
from trunkline.control.services import Services
from trunkline.domain.device import DeviceKind
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import ServerState

AT_PLACEMENT, AT_BINDING = ConnectivityCheck.PLACEMENT, ConnectivityCheck.BINDING


@dataclass(frozen=True)
class Outcome:
    """What became of one server."""

    state: ServerState
    host: str | None
    refusing: tuple[str, ...]  # Hosts whose devices the network refused for it.


@pytest.fixture
def scene(svc: Services) -> Scene:
    """Three hosts that have most devices, all cabled elsewhere, and one that reaches `blue`."""
    a_flavor(svc)
    agents = {
        name: AgentByHand(svc, name, a_card(5, network, vf_count=count, serial=int(name[1])))
        for name, network, count in (
            ("h1", "phy2", 8), ("h2", "phy2", 8), ("h3", "phy2", 8), ("h4", "phy1", 4),
        )
    }  # fmt: skip
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    return Scene(svc, blue, red, agents)


def check_at(scene: Scene, when: ConnectivityCheck, *, attempts_max: int = 5) -> None:
    scene.svc = replace(
        scene.svc,
        networking=replace(scene.svc.networking, connectivity_check=when),
        limits=replace(scene.svc.limits, placement_attempts_max=attempts_max),
    )


def boot(scene: Scene, network_names: str) -> Outcome:
    """Make a server with a NIC on each of these networks: `b` is blue, `r` red."""
    networks = {"b": scene.blue, "r": scene.red}
    view = scene.boot(*(on(networks[name]) for name in network_names))
    events = list_events(scene.svc, ADMIN, ListQuery(equals={"server_id": (view.server.id,)}))
    refused = [event for event in events if event.action == "binding.refused"]
    return Outcome(
        view.server.state,
        None if view.host is None else view.host.name,
        tuple(sorted(event.host for event in refused if event.host)),
    )


def test_the_same_request_is_placed_at_once_or_after_each_refusal(scene: Scene) -> None:
    check_at(scene, AT_PLACEMENT)
    assert boot(scene, "b") == Outcome(ServerState.BUILD, "h4", ())
    check_at(scene, AT_BINDING)
    assert boot(scene, "b") == Outcome(ServerState.BUILD, "h4", ("h1", "h2", "h3"))
    assert scene.devices("claimed") == ["h4 0000:05:02.0 claimed", "h4 0000:05:02.1 claimed"]
    scene.index_agrees()


def test_no_more_hosts_are_tried_than_the_limit_allows_and_nothing_is_held(scene: Scene) -> None:
    check_at(scene, AT_BINDING, attempts_max=2)
    view = scene.boot(on(scene.blue))
    assert (view.server.state, view.host) == (ServerState.ERROR, None)
    assert view.server.fault is not None
    assert "refused the devices of 2 hosts" in view.server.fault.message
    assert "h1: refused: 0000:05:02.0 was chosen for nic 0, but" in view.server.fault.details
    assert view.server.fault.details.count("refused: ") == 2
    assert scene.devices("claimed", "active", "releasing") == []
    scene.index_agrees()


def test_a_server_that_no_host_is_left_for_is_told_what_each_refused(scene: Scene) -> None:
    check_at(scene, AT_PLACEMENT)
    for _ in range(4):
        boot(scene, "b")
    check_at(scene, AT_BINDING)
    view = scene.boot(on(scene.blue))
    assert view.server.state is ServerState.ERROR
    assert view.server.fault is not None
    assert view.server.fault.message.startswith("No valid host was found")
    for name in ("h1", "h2", "h3"):
        assert f"{name}: refused: " in view.server.fault.details
    assert len(scene.devices("claimed")) == 4
    scene.index_agrees()


def test_a_host_with_devices_of_both_networks_may_refuse_what_it_could_have_given(
    scene: Scene,
) -> None:
    """The price of checking late: the wrong device of the right host counts against the host."""
    for name in ("h1", "h2", "h3", "h4"):
        scene.agents.pop(name).report(inventory=())
    scene.agents["h5"] = AgentByHand(
        scene.svc, "h5", a_card(5, "phy1", serial=5) + a_card(0x82, "phy2", serial=5)
    )
    check_at(scene, AT_BINDING)
    assert boot(scene, "rb") == Outcome(ServerState.ERROR, None, ("h5",))
    assert scene.devices("claimed") == []
    check_at(scene, AT_PLACEMENT)
    assert boot(scene, "rb") == Outcome(ServerState.BUILD, "h5", ())
    scene.index_agrees()


def test_the_network_says_on_which_of_its_segments_a_nic_is(scene: Scene) -> None:
    both = a_network(scene.svc, "both", (PHY1, 101), (PHY2, 201))
    check_at(scene, AT_BINDING)
    view = scene.boot(on(both))
    assert view.server.state is ServerState.BUILD
    (nic,) = view.nics
    assert nic.port.binding is not None
    segment = next(each for each in both.segments if each.id == nic.port.binding.segment_id)
    device = nic.port.device
    assert device is not None
    assert device.function.kind is DeviceKind.VF
    assert device.physical_network == segment.physical_network == PHY2
