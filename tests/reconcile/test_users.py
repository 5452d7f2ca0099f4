"""What libvirt networks of others hand out by naming a PF, and whom a device is said to be of."""

from __future__ import annotations

from tests.reconcile.scenes import IGB, MLX, functions, vf_address
from trunkline.reconcile.observed import NetworkState, OtherDomain
from trunkline.reconcile.users import tell_users

NETWORKS = {"old": NetworkState(is_ours=False, pf_ifnames=frozenset({"eth2"}))}


def test_all_vfs_of_a_pf_that_a_network_names_are_its() -> None:
    told = tell_users(functions(), (), (), networks=NETWORKS)
    used = {address: each.used_by for address, each in told.items() if each.used_by}
    words = "libvirt network old (inactive)"
    assert used == {vf_address(IGB, index): words for index in range(4)} | {
        IGB: f"its VF 0 ({vf_address(IGB, 0)}): {words}"
    }
    assert (
        tell_users(functions(), (), (vf_address(IGB, 2),), networks=NETWORKS)[
            vf_address(IGB, 2)
        ].used_by
        == ""
    )


def test_a_domain_that_has_a_device_of_a_network_is_named_before_it() -> None:
    vf = vf_address(IGB, 0)
    domain = OtherDomain(name="vintage", is_active=True, devices=frozenset({vf}))
    told = tell_users(functions(), (domain,), (), networks=NETWORKS)
    assert told[vf].used_by == "libvirt domain vintage"
    assert told[MLX].used_by == ""
