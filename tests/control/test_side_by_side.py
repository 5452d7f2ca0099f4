"""Servers booted and deleted, ports, claims, reports: each at two replicas, side by side.

Statements are sampled; HYPOTHESIS_PROFILE=long takes them all. See `round` for what there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import pytest

from tests.conftest import PROFILE
from tests.control.racing import (
    Problems,
    Race,
    Replicas,
    any_wins,
    both_win,
    cases,
    one_wins,
    run_race,
    the_first_wins,
    two_replicas,
)
from tests.control.round import (
    Round,
    Rounds,
    boot,
    claim,
    cleaned,
    direct,
    grown,
    refused,
    runs,
    unlisted,
)
from tests.support.postgres import PostgresCluster
from tests.support.world import ADMIN, DEMO
from trunkline.control.hosts import set_host_enabled
from trunkline.control.images import delete_image
from trunkline.control.network_requests import NetworkUpdate
from trunkline.control.networks import delete_network, update_network
from trunkline.control.ports import delete_port, update_port
from trunkline.control.requests import NicRequest, PortUpdate, ServerCreate, ServerUpdate
from trunkline.control.servers import create_servers, delete_server, stop_server, update_server
from trunkline.control.services import Services
from trunkline.domain.ids import FlavorId
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState

POINTS_MAX = 1000 if PROFILE == "long" else 4  # Statements that one race is stopped before.


def delete(svc: Services, its: Round) -> None:
    delete_server(svc, DEMO, its.server)


def run_and_stop(svc: Services, its: Round) -> None:
    runs(svc, its)
    stop_server(svc, DEMO, its.server)


def rename(svc: Services, its: Round) -> None:
    update_server(svc, DEMO, its.server, ServerUpdate(name="new"))


def disable(svc: Services, its: Round) -> None:
    set_host_enabled(svc, ADMIN, its.host, enabled=False)


def boot_one(svc: Services, its: Round) -> None:
    boot(svc, direct(its.blue))


def boot_with_port(svc: Services, its: Round) -> None:
    boot(svc, NicRequest(port_id=its.port), direct(its.blue))


def boot_with_claimed(svc: Services, its: Round) -> None:
    boot(svc, NicRequest(port_id=its.claimed))


def boot_from_image(svc: Services, its: Round) -> None:
    boot(svc, direct(its.blue), image=its.image)


def boot_on_empty(svc: Services, its: Round) -> None:
    boot(svc, direct(its.empty))


def fill_host(svc: Services, its: Round) -> None:
    """Take all that is left of the server's host and of the other: seven VFs of each."""
    for _ in range(2):
        boot(svc, *[direct(its.blue)] * 6)


def boot_several(svc: Services, its: Round) -> None:
    """Four at least, of the twenty VFs or so that are left; then as many as fit of the rest."""
    request = ServerCreate(
        name="many", flavor_id=FlavorId("small"), image_id=None, nics=(direct(its.blue),)
    )
    for least, most in ((4, 6), (1, 20)):
        create_servers(svc, DEMO, request, least=least, most=most)


def boot_whole(svc: Services, its: Round) -> None:
    """Take a whole PF: the one of the host that has nothing yet."""
    boot(svc, NicRequest(network_id=its.blue, vnic_type=VnicType.DIRECT_PHYSICAL))


def claim_below(svc: Services, its: Round) -> None:
    """Take a VF of that PF."""
    claim(svc, its.blue, its.free_host, 0)


def claim_one(svc: Services, its: Round) -> None:
    claim(svc, its.blue, its.host, 1)


def rename_port(svc: Services, its: Round) -> None:
    update_port(svc, DEMO, its.port, PortUpdate(name="new"))


def withdraw_claim(svc: Services, its: Round) -> None:
    update_port(svc, ADMIN, its.claimed, PortUpdate(host=None))


def drop_claimed(svc: Services, its: Round) -> None:
    delete_port(svc, DEMO, its.claimed)


def drop_port(svc: Services, its: Round) -> None:
    delete_port(svc, DEMO, its.port)


def drop_image(svc: Services, its: Round) -> None:
    delete_image(svc, ADMIN, its.image)


def drop_network(svc: Services, its: Round) -> None:
    delete_network(svc, DEMO, its.empty)


def retag(svc: Services, its: Round) -> None:
    update_network(svc, ADMIN, its.empty, NetworkUpdate(segmentation_id=4000 + its.number % 94))


def it_is_gone(svc: Services, its: Round, problems: Problems) -> None:
    assert svc.store.read(lambda tx: tx.servers.find(its.server)) is None


def it_runs_renamed(svc: Services, its: Round, problems: Problems) -> None:
    assert problems == [None, None]
    server = svc.store.read(lambda tx: tx.servers.get(its.server))
    assert (server.name, server.state) == ("new", ServerState.ACTIVE)


def it_is_disabled_and_larger(svc: Services, its: Round, problems: Problems) -> None:
    host = svc.store.read(lambda tx: tx.hosts.get_by_name(its.host))
    assert (host.enabled, host.resources.vcpus) == (False, 1000)


def the_port_is_renamed_and_bound(svc: Services, its: Round, problems: Problems) -> None:
    assert problems == [None, None]
    port, binding = svc.store.read(lambda tx: (tx.ports.get(its.port), tx.bindings.find(its.port)))
    assert port.name == "new"
    assert binding is not None
    assert binding.server_id == port.device_id


RACES: Final[Mapping[str, Race[Round]]] = MappingProxyType({
    "deleted twice": (delete, delete, one_wins),
    "deleted and seen running": (delete, runs, it_is_gone),
    "deleted and refused": (delete, refused, it_is_gone),
    "renamed and seen running": (rename, runs, it_runs_renamed),
    "stopped and seen failing": (run_and_stop, refused, any_wins),
    "the same report at two replicas": (cleaned, cleaned, both_win),
    "booted while a device comes back": (boot_one, cleaned, both_win),
    "two boots": (boot_one, boot_one, both_win),
    "two boots for what is left": (fill_host, fill_host, both_win),
    "two batches for what is left": (boot_several, boot_several, both_win),
    "a batch on devices that go": (boot_several, unlisted, both_win),
    "booted on devices that go": (boot_one, unlisted, both_win),
    "booted on a host that is disabled": (boot_one, disable, both_win),
    "booted beside a claim": (boot_one, claim_one, the_first_wins),
    "refused twice": (refused, refused, both_win),
    "refused while the rest is taken": (refused, fill_host, both_win),
    "a whole PF and a VF of it": (boot_whole, claim_below, any_wins),
    "two whole PFs": (boot_whole, boot_whole, both_win),
    "claimed on devices that go": (claim_one, unlisted, any_wins),
    "a claim withdrawn twice": (withdraw_claim, withdraw_claim, both_win),
    "a claim withdrawn and its port deleted": (withdraw_claim, drop_claimed, any_wins),
    "two claims for one VF": (claim_one, claim_one, one_wins),
    "booted with a claim that is withdrawn": (boot_with_claimed, withdraw_claim, any_wins),
    "two servers for one port": (boot_with_port, boot_with_port, one_wins),
    "booted with a port that is deleted": (boot_with_port, drop_port, any_wins),
    "booted with a port that is renamed": (
        boot_with_port, rename_port, the_port_is_renamed_and_bound,
    ),
    "booted from an image that is deleted": (boot_from_image, drop_image, any_wins),
    "booted on a network that is deleted": (boot_on_empty, drop_network, any_wins),
    "booted on a network whose VLAN changes": (boot_on_empty, retag, the_first_wins),
    "a host that grows is disabled": (grown, disable, it_is_disabled_and_larger),
})  # fmt: skip


@pytest.fixture(scope="module")
def replicas(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster
) -> Iterator[Replicas[Round]]:
    home, url = tmp_path_factory.mktemp("images"), postgres_cluster.new_database()
    with two_replicas(home, url, Rounds) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(("name", "turn"), cases(RACES))
def test_whoever_is_faster_everything_is_held_once(
    replicas: Replicas[Round], name: str, turn: int
) -> None:
    run_race(replicas, RACES[name], turn, points_max=POINTS_MAX)
