"""Any configuration is reached from any other, and then there is nothing left to do."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server, whole
from trunkline.domain.device import DeviceKind
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.host.faults import RefuseNext
from trunkline.reconcile.desired import HeldDevice, NicConfig, ServerConfig

VF_SLOTS = [(pf, index) for pf in (IGB, MLX) for index in range(4)]
VfAddresses = dict[tuple[PciAddress, int], PciAddress]


class Owners:
    """Gives devices to servers as a control plane would: a new epoch with each new owner."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.epochs: dict[PciAddress, int] = {}
        self.held: dict[tuple[str, PciAddress], HeldDevice] = {}
        self.places = {slot: world.device(*slot) for slot in VF_SLOTS}

    def device(self, owner: str, slot: tuple[PciAddress, int] | PciAddress) -> HeldDevice:
        bare = whole(slot) if isinstance(slot, PciAddress) else self.places[slot]
        known = self.held.get((owner, bare.address))
        if known is None:
            epoch = self.epochs[bare.address] = self.epochs.get(bare.address, 0) + 1
            known = self.held[owner, bare.address] = replace(bare, epoch=epoch)
        return known

    def settle(self, *servers: ServerConfig) -> None:
        """Release what `servers` no longer hold, then give them what they are to have."""
        kept = {nic.device for server in servers for nic in server.nics if nic.device}
        gone = tuple(held for held in self.held.values() if held not in kept)
        mine = [s for s in servers if all(n.device not in gone for n in s.nics)]
        if gone:
            staying = tuple(s for s in mine if s in self.before)
            self.world.control.want(*staying, releases=gone)
            self.world.settle(self.world.an_agent())
            self.held = {key: held for key, held in self.held.items() if held not in gone}
        self.world.control.want(*servers)
        self.world.settle(self.world.an_agent())
        self.before = servers

    before: tuple[ServerConfig, ...] = ()


def _nic(owners: Owners, number: int, slot: tuple[PciAddress, int], **changes: object) -> NicConfig:
    vnic_type = changes.pop("vnic_type", VnicType.DIRECT)
    assert isinstance(vnic_type, VnicType)
    nic = a_nic(number, owners.device(f"port {number}", slot), vnic_type)
    return replace(nic, **changes)  # type: ignore[arg-type]  # any field may be changed


def layouts(owners: Owners, name: str) -> tuple[ServerConfig, ...]:
    """Servers by the name of a layout; ports keep their numbers from one to the next."""
    if name == "nothing":
        return ()
    if name == "one":
        return (a_server(1, _nic(owners, 1, (IGB, 0))),)
    if name == "one, retagged":
        return (a_server(1, _nic(owners, 1, (IGB, 0), vlan_id=101)),)
    if name == "one, stopped":
        return (a_server(1, _nic(owners, 1, (IGB, 0)), power=PowerState.STOPPED),)
    if name == "another on the same VF":
        return (a_server(2, _nic(owners, 2, (IGB, 0), vlan_id=150)),)
    if name == "macvtap on the same VF":
        return (a_server(3, _nic(owners, 3, (IGB, 0), vnic_type=VnicType.MACVTAP)),)
    if name == "two cards":
        return (
            a_server(1, _nic(owners, 1, (IGB, 0)), _nic(owners, 4, (MLX, 0)), boot_number=2),
            a_server(4, _nic(owners, 5, (MLX, 1), trust=True, max_tx_rate_mbps=100)),
        )
    assert name == "whole PF"
    nic = a_nic(6, owners.device("port 6", MLX), VnicType.DIRECT_PHYSICAL)
    return (a_server(5, nic),)


LAYOUTS = [
    "nothing",
    "one",
    "one, retagged",
    "one, stopped",
    "another on the same VF",
    "macvtap on the same VF",
    "two cards",
    "whole PF",
]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(LAYOUTS, LAYOUTS)))
def test_any_layout_is_reached_from_any_other(before: str, after: str, tmp_path: Path) -> None:
    owners = Owners(World(tmp_path))
    for name in (before, after):
        servers = layouts(owners, name)
        owners.settle(*servers)
        check(owners.world, *servers)
    writes = owners.world.writes()
    owners.world.settle(owners.world.an_agent())
    assert owners.world.writes() == writes


def test_other_rates_reach_the_card_of_a_running_guest_and_the_guest_notices_nothing(
    tmp_path: Path,
) -> None:
    owners = Owners(World(tmp_path))

    def settle(least: int, most: int) -> list[str]:
        nic = _nic(owners, 1, (MLX, 1), min_tx_rate_mbps=least, max_tx_rate_mbps=most)
        before = Counter(owners.world.writes())
        server = a_server(1, nic)
        owners.settle(server)
        check(owners.world, server)
        return list((Counter(owners.world.writes()) - before).elements())

    settle(100, 0)
    for least, most in ((100, 400), (300, 400), (0, 400), (0, 0)):
        (write,) = settle(least, most)
        assert f"min_tx_rate {least} max_tx_rate {most}" in write


def test_rates_that_the_driver_refuses_are_tried_again_and_the_guest_runs_on(
    tmp_path: Path,
) -> None:
    owners = Owners(World(tmp_path))
    world = owners.world

    def a_server_with(least: int) -> ServerConfig:
        nic = _nic(owners, 1, (MLX, 1), min_tx_rate_mbps=least, max_tx_rate_mbps=400)
        return a_server(1, nic)

    owners.settle(a_server_with(100))
    starts = world.resumes()
    world.machine.kernel.plant(RefuseNext(operation="set_vf", errno="EIO", times=1))
    owners.settle(a_server_with(300))
    check(world, a_server_with(300))
    assert any("EIO" in write for write in world.writes())
    assert world.resumes() == starts
    assert not any("virsh destroy" in write for write in world.writes())


@st.composite
def a_sequence(draw: st.DrawFn) -> list[dict[int, list[tuple[int, dict[str, object]]]]]:
    """Some configurations in a row: server number to (VF slot, what its NIC asks for)."""
    configs = []
    for _ in range(draw(st.integers(1, 4))):
        slots = draw(st.lists(st.integers(0, 7), unique=True, max_size=5))
        config: dict[int, list[tuple[int, dict[str, object]]]] = {}
        for slot in slots:
            asked: dict[str, object] = {
                "vlan_id": draw(st.sampled_from([0, 1, 100, 4094])),
                "vlan_qos": 0,
                "spoof_check": draw(st.booleans()),
                "trust": draw(st.booleans()),
                "max_tx_rate_mbps": draw(st.sampled_from([None, 0, 10, 900])),
                "vnic_type": draw(st.sampled_from([VnicType.DIRECT, VnicType.MACVTAP])),
            }
            if asked["vlan_id"]:
                asked["vlan_qos"] = draw(st.sampled_from([0, 7]))
            config.setdefault(draw(st.integers(1, 3)), []).append((slot, asked))
        configs.append(config)
    return configs


@settings(max_examples=40, deadline=None)
@given(a_sequence())
def test_a_settled_host_is_as_desired_and_stays_quiet(
    sequence: list[dict[int, list[tuple[int, dict[str, object]]]]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        owners = Owners(World(Path(directory)))
        for boot, config in enumerate(sequence, start=1):
            servers = []
            for number, nics in config.items():
                # A port for each configuration: its device, too, is of a new epoch then.
                made = (_nic(owners, boot * 8 + slot, VF_SLOTS[slot], **a) for slot, a in nics)
                servers.append(a_server(number, *made, boot_number=boot))
            owners.settle(*servers)
            check(owners.world, *servers)
            _check_asked_for(owners.world, servers)
        writes = owners.world.writes()
        owners.world.settle(owners.world.an_agent())
        assert owners.world.writes() == writes


def _check_asked_for(world: World, servers: list[ServerConfig]) -> None:
    """What `check` leaves out: settings that start out differently from driver to driver."""
    for server in servers:
        for nic in server.nics:
            assert nic.device is not None
            assert nic.device.kind is DeviceKind.VF
            assert nic.device.pf_address is not None
            assert nic.device.vf_index is not None
            raw = world.raw_vf(nic.device.pf_address, nic.device.vf_index)
            starts_with = nic.device.pf_address == IGB
            assert raw.get("spoof_check", starts_with) == nic.spoof_check
