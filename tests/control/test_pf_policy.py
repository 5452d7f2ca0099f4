"""Networks whose VFs fill one PF after another, and networks whose VFs spread.

h1   phy1: 0000:05:00.0 with 6 VFs, 0000:06:00.0 with 4, 0000:07:00.0 with 4; phy2: one PF
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.control.scene import Scene, on
from tests.support.world import ADMIN, DEMO, a_card
from trunkline.control.network_requests import NetworkCreate, NetworkUpdate
from trunkline.control.networks import create_network, get_network, update_network
from trunkline.control.requests import ServerCreate
from trunkline.control.servers import create_server, get_server
from trunkline.control.views import ServerView
from trunkline.domain.errors import Forbidden
from trunkline.domain.ids import FlavorId
from trunkline.domain.network import Network, PfPolicy
from trunkline.domain.nic_rules import ANTI_AFFINITY_KEY, parse_rules
from trunkline.domain.server import ServerState


@pytest.fixture
def scene(scene: Scene) -> Scene:
    cards = [(5, "phy1", 6), (6, "phy1", 4), (7, "phy1", 4), (0x82, "phy2", 4)]
    scene.agents["h1"].report(
        inventory=tuple(
            device
            for bus, physical_network, vf_count in cards
            for device in a_card(bus, physical_network, vf_count=vf_count)
        )
    )
    scene.agents["h2"].report(inventory=())
    return scene


def set_policy(scene: Scene, network: Network, policy: PfPolicy) -> Network:
    change = NetworkUpdate(pf_policy=policy)
    return update_network(scene.svc, ADMIN, network.id, change).network


def pfs(*views: ServerView) -> list[str]:
    """The last two digits of the bus of each NIC's PF."""
    return [
        str(nic.port.device.function.pf_address)[5:7]
        for view in views
        for nic in view.nics
        if nic.port.device is not None
    ]


def test_vfs_of_a_network_that_packs_fill_the_pf_with_the_fewest_left(scene: Scene) -> None:
    blue = set_policy(scene, scene.blue, PfPolicy.PACK)
    found = [pfs(scene.boot(on(blue), on(blue))) for _ in range(7)]
    assert found == [["06"] * 2] * 2 + [["07"] * 2] * 2 + [["05"] * 2] * 3
    assert scene.boot(on(blue)).server.state is ServerState.ERROR


def test_vfs_of_a_network_spread_unless_it_packs(scene: Scene) -> None:
    assert get_network(scene.svc, DEMO, scene.blue.id).network.pf_policy is PfPolicy.SPREAD
    views = [scene.boot(on(scene.blue)) for _ in range(8)]
    assert Counter(pfs(*views)) == {"05": 4, "06": 2, "07": 2}  # Two are left on each.


def test_a_change_counts_for_the_next_server(scene: Scene) -> None:
    first = scene.boot(*[on(scene.blue)] * 3)
    assert Counter(pfs(first)) == {"05": 2, "06": 1} or Counter(pfs(first)) == {"05": 2, "07": 1}
    blue = set_policy(scene, scene.blue, PfPolicy.PACK)
    (fuller,) = {"06", "07"} & set(pfs(first))
    assert pfs(scene.boot(*[on(blue)] * 3)) == [fuller] * 3
    blue = set_policy(scene, blue, PfPolicy.SPREAD)
    assert pfs(scene.boot(on(blue))) != [fuller]


def test_packing_gives_way_to_rules_and_to_what_fits(scene: Scene) -> None:
    blue = set_policy(scene, scene.blue, PfPolicy.PACK)
    rules = parse_rules(ANTI_AFFINITY_KEY, "pf:soft", field="hint")
    asked = ServerCreate(
        name="web", flavor_id=FlavorId("small"), image_id=None, nics=(on(blue),) * 2, rules=rules
    )
    view = get_server(scene.svc, DEMO, create_server(scene.svc, DEMO, asked).id)
    assert sorted(pfs(view)) == ["06", "07"]
    assert Counter(pfs(scene.boot(*[on(blue)] * 12))) == {"05": 6, "06": 3, "07": 3}


def test_the_policy_is_for_admins(scene: Scene) -> None:
    with pytest.raises(Forbidden, match="rule create_network:pf_policy"):
        create_network(scene.svc, DEMO, NetworkCreate(pf_policy=PfPolicy.PACK))
    change = NetworkUpdate(pf_policy=PfPolicy.SPREAD)
    with pytest.raises(Forbidden, match="rule update_network:pf_policy"):
        update_network(scene.svc, DEMO, scene.blue.id, change)
    made = create_network(scene.svc, ADMIN, NetworkCreate(pf_policy=PfPolicy.PACK)).network
    assert get_network(scene.svc, ADMIN, made.id).network.pf_policy is PfPolicy.PACK
