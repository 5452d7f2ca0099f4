"""What PFs can guarantee: from the agent's report to the index, and what is owed of it.

h1, h2: 0000:05:00.0 phy1 with 4 VFs, 1000 Mbps egress and 500 ingress; 0000:82:00.0 phy2 with 4.
"""

from __future__ import annotations

from dataclasses import replace

from tests.control.scene import Scene
from tests.support.world import a_card
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import OfferedDevice
from trunkline.placement.views import HostView

HAS = Bandwidth(egress_mbps=1000, ingress_mbps=500)


def inventory(
    host: str, bandwidth: Bandwidth | None = HAS, *, vf_count: int = 4
) -> tuple[OfferedDevice, ...]:
    serial = int(host[1:])
    pf, *vfs = a_card(5, "phy1", serial=serial, vf_count=vf_count)
    return replace(pf, bandwidth=bandwidth), *vfs, *a_card(0x82, "phy2", serial=serial)


def offer(scene: Scene, bandwidth: Bandwidth | None = HAS, *, vf_count: int = 4) -> None:
    for host, agent in scene.agents.items():
        agent.report(inventory=inventory(host, bandwidth, vf_count=vf_count))


def view(scene: Scene, host: str) -> HostView:
    scene.index_agrees()
    found = scene.svc.store.read(lambda tx: tx.hosts.get_by_name(host))
    return scene.svc.fleet.view(found.id)


def left(scene: Scene, host: str) -> list[tuple[int | None, int | None]]:
    return [
        (each.egress_mbps, each.ingress_mbps) for each in view(scene, host).bandwidth_left.values()
    ]


def test_what_an_agent_says_of_its_pfs_is_in_the_index_and_follows_it(scene: Scene) -> None:
    assert left(scene, "h1") == []
    offer(scene)
    assert left(scene, "h1") == left(scene, "h2") == [(1000, 500)]
    offer(scene, Bandwidth(egress_mbps=7))
    assert left(scene, "h1") == [(7, None)]
    offer(scene, None)
    assert left(scene, "h1") == []
