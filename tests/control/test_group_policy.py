"""Nova's `group_policy` of flavors, over NICs with guarantees. Each host has one PF on phy1."""

from __future__ import annotations

import pytest

from tests.control.scene import Scene
from tests.control.test_guarantees import EGRESS, MINIMUM, a_policy, a_port, boot, offer
from tests.support.world import ADMIN
from trunkline.control.flavors import set_extra_specs
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import FlavorId
from trunkline.domain.server import ServerState


@pytest.mark.parametrize(
    "key",
    ["trunkline:nic_antiaffinity", "pci_passthrough:pci_flavour", "pci_passthrough:aliases"],
)
def test_an_extra_spec_that_would_ask_for_nothing_is_refused(scene: Scene, key: str) -> None:
    with pytest.raises(Invalid, match=r"unknown; there are trunkline:nic_affinity, .*:alias"):
        set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {key: "pf"})
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {"hw:cpu_policy": "shared"})


@pytest.mark.parametrize(
    ("group_policy", "state"),
    [("none", ServerState.BUILD), ("isolate", ServerState.ERROR)],
)
def test_isolate_gives_each_nic_with_a_guarantee_a_pf_of_its_own(
    scene: Scene, group_policy: str, state: ServerState
) -> None:
    offer(scene)
    set_extra_specs(scene.svc, ADMIN, FlavorId("small"), {"group_policy": group_policy})
    policy = a_policy(scene, (MINIMUM, EGRESS, 100_000))
    two = a_port(scene, policy), a_port(scene, policy)
    assert boot(scene, *two).server.state is state
    on_two_pfs = a_port(scene, policy), a_port(scene, None), a_port(scene, None)
    assert boot(scene, *on_two_pfs).server.state is ServerState.BUILD
