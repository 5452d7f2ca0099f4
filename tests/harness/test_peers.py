"""The requests that are compared with other services': Trunkline's side answers them rightly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.peers import candidates, ports, servers
from benchmarks.peers.pairs import WARM_UPS, compare, ratios
from benchmarks.peers.services import HERE, PINS, Service, version_of
from benchmarks.service import Session, log_in, running, wait_for_hosts


@contextmanager
def asked_by(url: str, data: Path, headers: dict[str, str]) -> Iterator[Service]:
    with closing(log_in(url, data, headers)) as session:
        yield Service(session, pid=1)


@pytest.mark.slow
def test_our_side_of_each_comparison_answers_rightly(tmp_path: Path) -> None:
    """Hosts take turns with ports; servers leave again, and so give their VF back."""
    data = tmp_path / "data"
    with running(data, str(HERE / "fleet.toml")) as (url, _, _):
        with asked_by(url, data, candidates.HEADERS) as service:
            wait_for_hosts(service.session, 4)
            for query in candidates.ASKED.values():
                candidates.work(service, "/placement", query, hosts=4)(0)
        with asked_by(url, data, servers.HEADERS) as service:
            start = servers.our_work(service, {"ram": 512, "vcpus": 1, "disk": 1})
            assert start(0)
            assert start(1)
            service.session.must("DELETE", f"/network/v2.0/ports/{only_port(service)}")
        with asked_by(url, data, ports.HEADERS) as service:
            vf = ports.free_vfs(service)
            assert [vf(number)[0] for number in range(5)] == ["h1", "h2", "h3", "h4", "h1"]
            ours = ports.Ports(service, "/network/v2.0", vf, vlan=151)
            for number in range(3):
                ours.bind_one(number)
            assert ports.fill([ours], 5) == 5
            ours.list_of(5, 3)(0)
            with pytest.raises(AssertionError):
                ours.list_of(5, 4)(0)


def only_port(service: Service) -> str:
    (port,) = service.session.must("GET", "/network/v2.0/ports")["ports"]
    return str(port["id"])


def test_both_work_in_turn_and_only_what_counts_is_counted() -> None:
    did: list[str] = []

    def work(who: str, seconds: float) -> float:
        did.append(who)
        return seconds

    service = Service(Session("http://127.0.0.1:1"), pid=1)
    result = compare(
        service, service, (lambda _: work("peer", 0.5), lambda _: work("ours", 0.1)),
        pairs=2, target=3,
    )  # fmt: skip
    assert len(did) == 2 * (WARM_UPS + 2)
    assert did[:4] == ["ours", "peer", "peer", "ours"]
    assert (result["pairs"], result["ratio"], result["peer_ms"]["median"]) == (2, 5.0, 500.0)


def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians() -> None:
    assert ratios([1, 8, 9], [1, 2, 9]) == {"ratio": 1.0, "ratio_min": 1.0, "ratio_max": 4.0}


def test_each_peer_is_pinned() -> None:
    assert {path.stem for path in PINS.glob("*.txt")} == {"neutron", "placement", "nova"}
    assert version_of("openstack-placement", "nova") == version_of(
        "openstack-placement", "placement"
    )
