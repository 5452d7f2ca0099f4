"""Who has a VF of which no guest of ours is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reconcile.scenes import IGB, VIF_TYPES, a_config, a_host, vf_address
from trunkline.domain.pf_identity import PfIdentity
from trunkline.reconcile.desired import VfCount
from trunkline.reconcile.plan import plan
from trunkline.reconcile.steps import SetVfCount

VF = vf_address(IGB, 1)


@pytest.mark.parametrize(
    ("driver", "ifname", "stays"),
    [
        ("igbvf", "eth2v1", False),
        (None, None, False),
        ("igbvf", None, True),  # In another network namespace.
        ("igb_uio", None, True),
    ],
)
def test_a_vf_whose_driver_has_no_netdev_here_is_somebodys(
    driver: str | None, ifname: str | None, stays: bool
) -> None:
    host = a_host(names={VF: ifname})
    vf = replace(host.functions[VF], driver=driver)
    host = replace(host, functions={**host.functions, VF: vf})
    wanted = VfCount(pf=IGB, count=2, identity=PfIdentity.of(host.functions[IGB]))
    found = plan(replace(a_config(), vf_counts=(wanted,)), host, vif_types=VIF_TYPES)
    assert stays != any(isinstance(step, SetVfCount) for step in found.steps)
    if stays:
        assert f"VF 1 ({driver} has it" in str(found)
