"""The network side checks each device that was chosen, once more, before anything is written."""

from __future__ import annotations

from dataclasses import replace

from tests.control.scene import Scene, on
from tests.support.world import ADMIN
from trunkline.control.events import list_events
from trunkline.domain.device import OfferedDevice
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network, Segment
from trunkline.domain.server import ServerState
from trunkline.netdrivers.builtin import PhysicalNetworkDriver


class Disagreeing(PhysicalNetworkDriver):
    """Demands what the built-in driver demands, and refuses the first devices that meet it."""

    def __init__(self, refusals: int) -> None:
        super().__init__({})
        self._left = refusals

    def refusal(self, network: Network, segment: Segment, device: OfferedDevice) -> str | None:
        if self._left == 0:
            return super().refusal(network, segment, device)
        self._left -= 1
        return "it is cabled to nothing"


def disagree(scene: Scene, refusals: int) -> None:
    networking = replace(scene.svc.networking, drivers=(Disagreeing(refusals),))
    scene.svc = replace(scene.svc, networking=networking)


def inconsistencies(scene: Scene) -> int:
    events = list_events(scene.svc, ADMIN, ListQuery())
    return sum(event.action == "binding.inconsistent" for event in events)


def test_a_device_that_the_network_refuses_is_let_go_and_another_host_is_taken(
    scene: Scene,
) -> None:
    disagree(scene, 1)
    view = scene.boot(on(scene.blue), on(scene.red))
    assert view.server.state is ServerState.BUILD
    assert len(view.server.excluded_hosts) == 1
    assert view.host is not None
    assert view.host.id not in view.server.excluded_hosts
    held = scene.devices("claimed")
    assert len(held) == 2
    assert all(line.startswith(f"{view.host.name} ") for line in held)
    assert inconsistencies(scene) == 1
    scene.index_agrees()


def test_a_server_whose_every_device_the_network_refuses_is_in_error_and_holds_nothing(
    scene: Scene,
) -> None:
    disagree(scene, 100)
    view = scene.boot(on(scene.blue), on(scene.red))
    assert view.server.state is ServerState.ERROR
    assert view.server.fault is not None
    assert "cabled to nothing" not in view.server.fault.message
    assert scene.devices("claimed", "active", "releasing") == []
    assert view.nics == ()
    assert inconsistencies(scene) == 2
    scene.index_agrees()
