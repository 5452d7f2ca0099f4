"""The XML of network pools' networks, and of NICs on them, as libvirt's own schemas take it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml.etree import _Element

from tests.reconcile.scenes import (
    HOST,
    IGB,
    MLX,
    VIF_TYPES,
    a_config,
    a_host,
    a_nic,
    a_server,
    functions,
    vf,
    vf_address,
)
from tests.support.libvirt_schemas import LibvirtSchema
from trunkline.domain.device import DeviceKind, OfferedDevice
from trunkline.domain.network_pool import NetworkPool, PoolMode, PoolNetwork, pool_names
from trunkline.domain.port import VnicType
from trunkline.reconcile.desired import NicConfig
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.reconcile.network_pools import network_xml, wanted_networks
from trunkline.reconcile.observed import NetworkState
from trunkline.reconcile.plan import Outcome, Plan, plan
from trunkline.reconcile.report import HostReport
from trunkline.reconcile.steps import RememberOriginal
from trunkline.vif.base import VifRequest
from trunkline.vif.builtin import DirectVf
from trunkline.vif.registry import VifRegistry

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


def plan_on_a_pool(*nics: NicConfig, vif_types: VifRegistry = VIF_TYPES) -> Plan:
    """Plan for a server on a host whose igb VFs are in a network pool that is ready."""
    pools = {vf(IGB, index).address: HOSTDEV for index in range(4)}
    host = a_host()
    network = wanted_networks(host.functions, pools)[HOSTDEV.name]
    state = NetworkState(
        is_ours=True, autostarts=True, defined=network, live=network, is_active=True
    )
    observed = replace(host, networks={HOSTDEV.name: state})
    return plan(a_config(a_server(1, *nics)), observed, vif_types=vif_types, pools=pools)


def test_a_server_with_two_nics_on_one_pool_puts_each_vf_on_record_once() -> None:
    made = plan_on_a_pool(a_nic(1, vf(IGB, 0)), a_nic(2, vf(IGB, 1)))
    noted = [step.original.address for step in made.steps if isinstance(step, RememberOriginal)]
    assert noted == [vf(IGB, index).address for index in range(4)]


class OfBefore(DirectVf):
    """A plug-in of before there were network pools."""

    name = "of_before"

    def interface(self, request: VifRequest) -> _Element:
        return super().interface(replace(request, network_pool=None))


def test_a_vif_type_that_knows_no_network_pools_is_refused_by_name() -> None:
    nic = a_nic(1, vf(IGB, 0), vif_type=OfBefore.name)
    made = plan_on_a_pool(nic, vif_types=VifRegistry([OfBefore()]))
    (unit,) = made.units
    assert (unit.outcome, unit.steps) == (Outcome.REFUSED, ())
    assert "VIF type of_before does not serve network pools" in unit.reason


@pytest.mark.parametrize(
    ("kind", "tags", "name", "told"),
    [
        (DeviceKind.VF, {}, "trunkline-phy1", "no tag physical_network"),
        (DeviceKind.VF, {"physical_network": "phy1"}, "default", "'default' names no pool"),
        (DeviceKind.VF, {"physical_network": "phy1"}, "trunkline-phy12", "names no pool"),
        (DeviceKind.PF, {"physical_network": "phy1"}, "trunkline-phy1", "only VFs"),
        (DeviceKind.PLAIN, {"physical_network": "phy1"}, "trunkline-phy1", "only VFs"),
    ],
)
def test_a_report_of_a_pool_that_can_not_be_is_refused(
    kind: DeviceKind, tags: dict[str, str], name: str, told: str
) -> None:
    function = replace(functions()[vf_address(IGB, 0)], kind=kind)
    pool = NetworkPool(name, PoolMode.HOSTDEV)
    bad = OfferedDevice(function=function, tags=tags, network_pool=pool)
    with pytest.raises(ValueError, match=told):
        HostReport(host=HOST, run_id="r", number=1, generation=1, inventory=(bad,))
