"""The XML of network pools' networks, and of NICs on them, as libvirt's own schemas take it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reconcile.scenes import IGB, MLX, VIF_TYPES, a_config, a_host, a_nic, a_server, vf
from tests.support.libvirt_schemas import LibvirtSchema
from trunkline.domain.network_pool import NetworkPool, PoolMode, PoolNetwork, pool_names
from trunkline.domain.port import VnicType
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.reconcile.network_pools import network_xml, wanted_networks
from trunkline.reconcile.observed import NetworkState
from trunkline.reconcile.plan import plan
from trunkline.reconcile.steps import RememberOriginal

HOSTDEV = NetworkPool("trunkline-phy1", PoolMode.HOSTDEV)
PASSTHROUGH = NetworkPool("trunkline-phy2", PoolMode.PASSTHROUGH)


@pytest.mark.parametrize(
    "network",
    [
        PoolNetwork(PoolMode.HOSTDEV, ("0000:05:10.0", "0000:05:10.2")),
        PoolNetwork(PoolMode.PASSTHROUGH, ("eth2v0", "eth2v1")),
    ],
)
def test_libvirts_schema_takes_the_networks(
    libvirt_network_schema: LibvirtSchema, network: PoolNetwork
) -> None:
    libvirt_network_schema.check(network_xml("trunkline-phy1", network))


def test_the_xml_of_a_server_names_the_networks_and_no_device_of_them(
    libvirt_domain_schema: LibvirtSchema,
) -> None:
    made = []
    for index in (0, 3):
        one, two = vf(IGB, index), vf(MLX, index)
        pools = {one.address: HOSTDEV, two.address: PASSTHROUGH}
        server = a_server(1, a_nic(1, one), a_nic(2, two, VnicType.MACVTAP, vlan_id=200))
        definition = define(server, VIF_TYPES, DomainOptions(), pools)
        libvirt_domain_schema.check(definition.xml)
        made.append(definition.xml)
    assert made[0] == made[1]
    assert "<source network='trunkline-phy1'/>" in made[0].replace('"', "'")
    assert "<source network='trunkline-phy2'/>" in made[0].replace('"', "'")
    assert "<tag id='200'/>" in made[0].replace('"', "'")


def test_pools_of_one_physical_network_are_numbered_and_have_names_that_libvirt_takes() -> None:
    wanted = {"b": "phy1", "a": "phy1", "c": "rack/7 öst", "d": "rack_7 öst"}
    assert pool_names(wanted, ["a", "b", "c", "d"]) == {
        "a": "trunkline-phy1",
        "b": "trunkline-phy1-2",
        "c": "trunkline-rack_7__st",
        "d": "trunkline-rack_7__st-2",
    }


def test_a_server_with_two_nics_on_one_pool_puts_each_vf_on_record_once() -> None:
    pools = {vf(IGB, index).address: HOSTDEV for index in range(4)}
    host = a_host()
    network = wanted_networks(host.functions, pools)[HOSTDEV.name]
    state = NetworkState(
        is_ours=True, autostarts=True, defined=network, live=network, is_active=True
    )
    server = a_server(1, a_nic(1, vf(IGB, 0)), a_nic(2, vf(IGB, 1)))
    made = plan(
        a_config(server),
        replace(host, networks={HOSTDEV.name: state}),
        vif_types=VIF_TYPES,
        pools=pools,
    )
    noted = [step.original.address for step in made.steps if isinstance(step, RememberOriginal)]
    assert noted == sorted(pools)
