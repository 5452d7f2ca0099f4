"""Changes that take an agent several steps, each to be broken off and refused at every one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.agent.world import IGB, MLX, World
from tests.reconcile.scenes import a_nic, a_server, whole
from trunkline.domain.port import VnicType
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import HeldDevice, ServerConfig

Wants = tuple[tuple[ServerConfig, ...], tuple[HeldDevice, ...]]  # Servers, releases.


@dataclass(frozen=True)
class Scenario:
    """What is settled first, and what is wanted then."""

    before: Callable[[World], Wants]
    after: Callable[[World], Wants]


def _pair(world: World) -> ServerConfig:
    return a_server(1, a_nic(1, world.device(IGB, 0)), a_nic(2, world.device(MLX, 1), vlan_id=200))


def _macvtap(world: World) -> ServerConfig:
    return a_server(2, a_nic(3, world.device(MLX, 3), VnicType.MACVTAP))


def _whole(_: World) -> ServerConfig:
    return a_server(3, a_nic(4, whole(MLX), VnicType.DIRECT_PHYSICAL))


def _tagged_with_priority(world: World) -> ServerConfig:
    nic = replace(a_nic(5, world.device(IGB, 2)), vlan_qos=5, trust=True, max_tx_rate_mbps=500)
    return a_server(4, nic)


def _guaranteed(world: World, *, least: int, most: int) -> ServerConfig:
    nic = replace(a_nic(7, world.device(MLX, 0)), min_tx_rate_mbps=least, max_tx_rate_mbps=most)
    return a_server(6, nic)


def _with_gpu_and_vf(world: World) -> ServerConfig:
    """A NIC, and a GPU and a VF handed over as they are."""
    server = a_server(5, a_nic(6, world.device(IGB, 3)))
    return replace(server, devices=(world.gpu, world.device(MLX, 2)))


def _devices(server: ServerConfig) -> tuple[HeldDevice, ...]:
    return server.held_devices


def _nothing(_: World) -> Wants:
    return (), ()


def _boot(make: Callable[[World], ServerConfig]) -> Scenario:
    return Scenario(_nothing, lambda world: ((make(world),), ()))


def _delete(make: Callable[[World], ServerConfig]) -> Scenario:
    return Scenario(
        lambda world: ((make(world),), ()),
        lambda world: ((), _devices(make(world))),
    )


def _change(make: Callable[[World], ServerConfig], **changes: object) -> Scenario:
    return Scenario(
        lambda world: ((make(world),), ()),
        lambda world: ((replace(make(world), **changes),), ()),  # type: ignore[arg-type]  # any field may be changed
    )


SCENARIOS = {
    "boot": _boot(_pair),
    "stop": _change(_pair, power=PowerState.STOPPED),
    "reboot": _change(_pair, boot_number=2),
    "delete": _delete(_pair),
    "boot macvtap": _boot(_macvtap),
    "delete macvtap": _delete(_macvtap),
    "boot whole PF": _boot(_whole),
    "delete whole PF": _delete(_whole),
    "boot with a GPU": _boot(_with_gpu_and_vf),
    "stop with a GPU": _change(_with_gpu_and_vf, power=PowerState.STOPPED),
    "delete with a GPU": _delete(_with_gpu_and_vf),
    "boot with priority, trust and rate": _boot(_tagged_with_priority),
    "delete with priority, trust and rate": _delete(_tagged_with_priority),
    "other rates": Scenario(
        lambda world: ((_guaranteed(world, least=100, most=1000),), ()),
        lambda world: ((_guaranteed(world, least=200, most=0),), ()),
    ),
}


class Stage:
    """A scenario made ready once, and copied for each attempt at it."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._scenario = scenario
        self._directory = directory
        self._copies = 0
        world = World(directory / "start")
        world.control.want(*scenario.before(world)[0])
        world.settle(world.an_agent())
        self.wants = scenario.after(world)

    def a_world(self) -> World:
        """The same host once more, with what is wanted then on its way to it."""
        self._copies += 1
        copy = self._directory / str(self._copies)
        shutil.copytree(self._directory / "start", copy)
        world = World.existing(copy)
        servers, releases = self.wants
        world.control.want()
        world.control.want(*servers, releases=releases)
        return world
