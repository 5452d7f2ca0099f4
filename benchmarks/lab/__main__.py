"""The agent's work on real VFs: igb cards that QEMU emulates, in the lab host of docs/lab.md.

    python -m benchmarks.lab [--rounds 20] [--rest-seconds 60] [--servers 5]

Every program in it runs many times slower than on a machine of its own, `ip` as well as the agent:
what compares is measured in turns, in one run. Four cards have 28 VFs.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._measuring import machine as this_machine
from benchmarks._measuring import quantiles
from lab import machine, needs
from lab.guest import cards
from lab.machine import VFS_PER_CARD, LabHost
from tests.lab import agent_inside, figures_inside
from tests.lab.site import Site, lab_site
from tests.support.clients import openstack_commands
from tests.support.environments import ensure_environment
from tests.system.test_up import Session

OFFER = f"""
device_spec = [
    {{ ifname = "pf1", physical_network = "phy1", vf_count = {VFS_PER_CARD} }},
    {{ ifname = "pf2", physical_network = "phy2", vf_count = {VFS_PER_CARD} }},
    {{ ifname = "pf3", physical_network = "phy1", vf_count = {VFS_PER_CARD} }},
    {{ ifname = "pf4", physical_network = "phy2", vf_count = {VFS_PER_CARD} }},
]
"""
MEASURING_SECONDS_MAX = 900


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="of programming all VFs, each way")
    parser.add_argument("--rest-seconds", type=float, default=60)
    parser.add_argument("--servers", type=int, default=5, help="started one after the other")
    args = parser.parse_args()
    if lacking := needs.install():
        sys.exit(lacking)
    before = this_machine()
    with (
        machine.lab_host(machine.FOUR_CARDS) as host,
        tempfile.TemporaryDirectory(prefix="bench-lab-") as scratch,
    ):
        results = [programming(host, args.rounds)]
        results += at_work(host, Path(scratch), args.rest_seconds, args.servers)
    report = {"benchmark": "lab", "machine": before, "machine_after": this_machine()}
    sys.stdout.write(json.dumps({**report, "results": results}, indent=1) + "\n")


def programming(host: LabHost, rounds: int) -> dict[str, Any]:
    """MAC, VLAN and spoof check of all VFs, each way in turn."""
    host.reset(vf_count=VFS_PER_CARD, card_count=len(host.cards))
    pfs = [cards.pf_address(card) for card, _ in enumerate(host.cards, 1)]
    taken = host.channel.call(
        figures_inside.measure, pfs, VFS_PER_CARD, rounds, seconds=MEASURING_SECONDS_MAX
    )
    return {
        "figures": "programming",
        "rounds": rounds,
        **{name: {"a_second": 1000 / statistics.mean(ms), **of(ms)} for name, ms in taken.items()},
    }


def at_work(
    host: LabHost, directory: Path, rest_seconds: float, servers: int
) -> list[dict[str, Any]]:
    """An agent with 28 VFs: at rest, and from the answer 202 until a guest runs."""
    host.reset(vf_count=0)
    with (
        openstack_commands(ensure_environment("clients")) as openstack,
        lab_site(directory, host, offer=OFFER) as site,
    ):
        site.start_helper()
        site.start_agent_alone()
        session = Session(directory, openstack)
        session.prepare()
        vf_count = len(host.cards) * VFS_PER_CARD
        site.wait(lambda: len(site.devices(kind="vf", state="free")) == vf_count, "28 VFs are free")
        starts = [start(site, session, f"web-{number}") for number in range(servers)]
        rest = at_rest(host, rest_seconds)
    return [rest, {"figures": "starts", "servers": servers, **of_starts(starts)}]


def at_rest(host: LabHost, seconds: float) -> dict[str, Any]:
    """What an agent takes while nothing happens, on cores as fast as this machine's own too."""
    rest = host.channel.call(figures_inside.agent_at_rest, seconds, seconds=2 * seconds + 60)
    inside = host.channel.call(figures_inside.work_seconds)
    slowness = inside / figures_inside.work_seconds()
    return {
        "figures": "at rest",
        "seconds": seconds,
        **rest,
        "slowness": slowness,
        "share_of_core_here": rest["share_of_core"] / slowness,
    }


def start(site: Site, session: Session, name: str) -> tuple[float, float]:
    """Start a server, and delete it; return the seconds from 202 until its guest ran.

    And libvirt's own: of the same domain, ended and started again while the agent is stopped.
    """
    session.demo("port", "create", "--network", "blue", "--vnic-type", "direct", name)
    session.demo("server", "create", "--flavor", "small", "--image", "tiny", "--port", name, name)
    site.wait_for_server(name, "ACTIVE")
    server = site.api.server_path(name)
    at = {event.action: event.at for event in site.events() if event.server_id == server.id}
    whole = (at["server.active"] - at["server.place"]).total_seconds()
    agent = site.started[-1]
    agent.signal(signal.SIGSTOP)
    libvirts = site.lab_host.channel.call(agent_inside.seconds_to_start, server.id)
    agent.signal(signal.SIGCONT)
    session.demo("server", "delete", "--wait", name)
    site.wait(lambda: not site.devices(state="releasing"), "its VF is back")
    return whole, libvirts


def of_starts(starts: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Medians and extremes, in seconds."""
    parts = {
        "from_202_s": [whole for whole, _ in starts],
        "libvirts_own_s": [libvirts for _, libvirts in starts],
        "the_rest_s": [whole - libvirts for whole, libvirts in starts],
    }
    return {
        name: {"median": statistics.median(each), "min": min(each), "max": max(each)}
        for name, each in parts.items()
    }


def of(milliseconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum."""
    return quantiles(milliseconds, unit=1)


if __name__ == "__main__":
    main()
