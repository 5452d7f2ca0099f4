"""The benchmarks ask what they say they ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import pytest

from benchmarks._index import Index, as_view, make_request
from benchmarks._raw_fleet import (
    FILLS,
    PFS_PER_HOST,
    VFS_PER_PF,
    RawHost,
    Wants,
    feasible_request,
    infeasible_request,
    make_fleet,
)
from tests.oracle.placement_oracle import RawDevice, RawNic, devices_suffice
from tests.support.patience import HANGS_SECONDS
from tests.tidy.repository import REPOSITORY
from tools import write_benchmarks
from tools.log_plot import Line, draw

SEEDS = range(10)
MACHINE = {
    "processor": "some processor",
    "cores": 2,
    "python": "3.11.7",
    "load_average": [1.0, 1.0, 1.0],
    "fixed_work_min_ms": 0.8,
    "fixed_work_ms": {"p50": 0.9, "p99": 1.5},
}


def fits(wants: list[Wants], host: RawHost) -> bool:
    """Whether a host meets the demands, by the oracle."""
    devices: list[RawDevice] = [
        {
            "id": f"{p}.{vf}",
            "kind": "vf",
            "pf": None,
            "vf_index": vf,
            "attributes": {**pf.facts, **pf.tags},
            "free": bool(pf.free >> vf & 1),
        }
        for p, pf in enumerate(host.pfs)
        for vf in range(VFS_PER_PF)
    ]
    nics: list[RawNic] = [
        {
            "name": "nic",
            "kind": "vf",
            "options": [{"segment": None, "attributes": {}, "bridge": None}],
            "attributes": dict(nic),
        }
        for nic in wants
    ]
    return devices_suffice(nics, devices)


@pytest.mark.parametrize("fill", FILLS)
def test_a_fleet_is_as_full_as_was_asked(fill: str) -> None:
    hosts = make_fleet(20, fill=FILLS[fill], dice=Random(1))
    free = sum(host.free_count() for host in hosts)
    size = 20 * PFS_PER_HOST * VFS_PER_PF
    assert free / size == pytest.approx(1 - FILLS[fill], abs=0.001)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nic_count", [1, 4, 8])
def test_requests_fit_or_do_not_as_they_are_meant_to(seed: int, nic_count: int) -> None:
    dice = Random(seed)
    hosts = make_fleet(8, fill=0.95, dice=dice)
    wants = feasible_request(hosts, nic_count, dice)
    assert wants is not None
    assert len(wants) == nic_count
    assert any(fits(wants, host) for host in hosts)
    none_has = infeasible_request(nic_count, dice)
    assert not any(fits(none_has, host) for host in hosts)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_is_given_the_hosts_that_the_oracle_sees(seed: int) -> None:
    dice = Random(seed)
    hosts = make_fleet(6, fill=0.97, dice=dice)
    index = Index(as_view(number, host) for number, host in enumerate(hosts))
    wants = feasible_request(hosts, 4, dice)
    assert wants is not None
    fitting = {number for number, host in enumerate(hosts) if fits(wants, host)}
    assert index.accepting(make_request(wants)) == fitting


@pytest.mark.slow
def test_what_placement_measures_can_be_put_into_the_documentation() -> None:
    """The marks of the page stay, so that it can be renewed again."""
    command = [sys.executable, "-m", "benchmarks.placement", "--hosts", "5", "10"]
    done = subprocess.run(
        [*command, "--decisions", "3"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    page = write_benchmarks.TARGET.read_text()
    renewed = write_benchmarks.render(page, {"placement": report})
    assert "| 4 NICs, none fits |" in renewed
    assert renewed.count("<!-- end -->") == page.count("<!-- end -->")
    assert write_benchmarks.render(renewed, {"placement": report}) == renewed
    drawn = ElementTree.fromstring(write_benchmarks.plot(report, None))
    assert len(drawn.findall("{*}polyline")) == 3


def test_what_races_measure_can_be_put_into_the_documentation() -> None:
    of_two = {
        "replicas": 2,
        "hosts": 40,
        "creates": 1200,
        "refused": 3,
        "races_lost_per_create": 0.08,
        "placements_turned_aside_per_create": 0.2,
        "creates_per_second": 151.4,
        "create_ms": {"p50": 9.5, "p99": 41.25},
    }
    report = {"machine": MACHINE, "machine_after": MACHINE, "results": [of_two]}
    page = write_benchmarks.TARGET.read_text()
    renewed = write_benchmarks.render(page, {"races": report})
    assert "| 2 | 1,200 | 0.08 | 3 | 0.2 | 151 | 9.5 / 41.2 |" in renewed
    assert "40 hosts. some processor, 2 cores" in renewed
    assert write_benchmarks.render(renewed, {"races": report}) == renewed


def test_what_is_measured_beside_other_services_can_be_put_into_the_documentation() -> None:
    of_ports = {
        "figure": "list of 1,000 ports",
        "peer": "neutron",
        "pairs": 12,
        "peer_ms": {"median": 1234.5, "min": 1000.0, "max": 2000.0},
        "trunkline_ms": {"median": 61.25, "min": 60.0, "max": 70.0},
        "peer_cpu_ms": 1200.0,
        "trunkline_cpu_ms": 58.0,
        "ratio": 20.2,
        "ratio_min": 16.4,
        "ratio_max": 31.0,
        "target": 10,
    }
    versions = {"neutron": "29.0.0"}
    report = {"machine": MACHINE, "machine_after": MACHINE, "versions": versions}
    page = write_benchmarks.TARGET.read_text()
    row = (
        "| list of 1,000 ports | Neutron 29.0.0 | 12 | 1,234 | 61.2 | 1,200 | 58 | 20.2 (16.4–31) |"
    )
    met = write_benchmarks.render(page, {"peers": {**report, "results": [of_ports]}})
    assert f"{row} ≥ 10 |" in met
    missed = {**report, "results": [{**of_ports, "target": 50}]}
    assert f"{row} ≥ 50, missed |" in write_benchmarks.render(page, {"peers": missed})


def test_what_was_measured_in_the_lab_becomes_its_tables() -> None:
    seconds = {"median": 3.21, "min": 3.0, "max": 4.0}
    results: list[dict[str, object]] = [
        {"figures": "programming", "rounds": 20, "own": {"a_second": 81.4, "p50": 12, "p99": 19.5}},
        {
            "figures": "at rest", "seconds": 60, "memory_mib": 55.25, "share_of_core": 0.021,
            "slowness": 14.2, "share_of_core_here": 0.00148,
        },
        {
            "figures": "starts", "servers": 5, "from_202_s": seconds,
            "libvirts_own_s": seconds, "the_rest_s": seconds,
        },
    ]  # fmt: skip
    report = {"machine": MACHINE, "machine_after": MACHINE, "results": results}
    renewed = write_benchmarks.render(write_benchmarks.TARGET.read_text(), {"lab": report})
    assert "| own | 81 | 12 / 19.5 |" in renewed
    assert "55.2 MiB, 2.10 % of an emulated core" in renewed
    assert "0.148 % of one of its cores" in renewed
    assert "| libvirt and QEMU alone | 3.2 | 3.0 | 4.0 |" in renewed


def test_every_table_that_can_be_written_has_its_place_in_the_documentation() -> None:
    page = write_benchmarks.TARGET.read_text()
    assert set(re.findall("<!-- measured: ([a-z]+) -->", page)) == set(write_benchmarks.TABLES)


def test_labels_of_a_plot_do_not_cover_each_other() -> None:
    lines = [Line(name, [(1, 1.0), (10, end)]) for name, end in (("a", 5.0), ("b", 5.1), ("c", 5))]
    drawn = ElementTree.fromstring(draw("t", "x", "y", lines))
    heights = sorted(
        float(text.attrib["y"]) for text in drawn.findall("{*}text") if text.text in {"a", "b", "c"}
    )
    assert all(below - above >= 16 for above, below in pairwise(heights))
