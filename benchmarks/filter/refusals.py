"""Which hosts each engine refuses though they fit, by an independent exact solver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from benchmarks._index import Index, as_view, make_request
from benchmarks._raw_fleet import (
    FILLS,
    VFS_PER_PF,
    RawHost,
    Wants,
    feasible_request,
    make_fleet,
)
from benchmarks.filter.nova_process import NovaFilter
from tests.oracle.placement_oracle import RawDevice, RawNic, devices_suffice

HOSTS = 40
TIGHT_FREE_MAX = 2  # VFs that a PF of the tight fleet has free, at most.
NIC_COUNTS = (1, 2, 4, 8)


def count_refusals(
    start: Callable[[Sequence[RawHost]], NovaFilter], request_count: int, seed: int
) -> dict[str, Any]:
    """Ask all three about every pair of a request and a host, on two fleets.

    Each request fits at least one host: its NICs were drawn from what that has free. In the tight
    fleet each PF has none, one or two VFs free, so that it matters which NIC gets which.
    """
    dice = Random(f"{seed} refusals")
    nearly_full = make_fleet(HOSTS, fill=FILLS["nearly_full"], dice=dice)
    tight = make_fleet(HOSTS, fill=0.0, dice=dice)
    for host in tight:
        for pf in host.pfs:
            vfs = dice.sample(range(VFS_PER_PF), dice.randrange(TIGHT_FREE_MAX + 1))
            pf.free = sum(1 << vf for vf in vfs)
    return {
        "nearly_full": _on_fleet(start, nearly_full, request_count, dice),
        "tight": _on_fleet(start, tight, request_count, dice),
    }


def _on_fleet(
    start: Callable[[Sequence[RawHost]], NovaFilter],
    hosts: list[RawHost],
    request_count: int,
    dice: Random,
) -> dict[str, Any]:
    index = Index(as_view(number, host) for number, host in enumerate(hosts))
    with start(hosts) as nova:
        nova.load(numa=False)
        return {
            f"{nic_count}_nics": _of_nics(index, nova, hosts, nic_count, request_count, dice)
            for nic_count in NIC_COUNTS
        }


def _of_nics(
    index: Index,
    nova: NovaFilter,
    hosts: list[RawHost],
    nic_count: int,
    request_count: int,
    dice: Random,
) -> dict[str, Any] | None:
    pairs_that_fit = 0
    refused: Counter[str] = Counter()
    accepted_unfit: Counter[str] = Counter()
    refused_everywhere: Counter[str] = Counter()
    for _ in range(request_count):
        wants = feasible_request(hosts, nic_count, dice)
        if wants is None:
            return None
        fitting = {at for at, host in enumerate(hosts) if fits(wants, host)}
        assert fitting, "it was drawn from a host"
        pairs_that_fit += len(fitting)
        answers = {"nova": nova.decide(wants)[1], "trunkline": index.accepting(make_request(wants))}
        for name, accepted in answers.items():
            refused[name] += len(fitting - accepted)
            accepted_unfit[name] += len(accepted - fitting)
            refused_everywhere[name] += not accepted & fitting
    return {
        "requests": request_count,
        "pairs_that_fit": pairs_that_fit,
        **{
            name: {
                "refuses_fitting_hosts": refused[name],
                "refuses_percent": round(100 * refused[name] / pairs_that_fit, 3),
                "accepts_unfit_hosts": accepted_unfit[name],
                "refuses_feasible_requests": refused_everywhere[name],
            }
            for name in ("nova", "trunkline")
        },
    }


def fits(wants: Sequence[Wants], host: RawHost) -> bool:
    """Whether the host's free VFs give each NIC one: maximum flow.

    Of the VFs of a PF, which are all alike, no more are looked at than there are NICs.
    """
    devices: list[RawDevice] = [
        {
            "id": f"{p}.{vf}",
            "kind": "vf",
            "pf": None,
            "vf_index": vf,
            "attributes": {**pf.facts, **pf.tags},
            "free": True,
        }
        for p, pf in enumerate(host.pfs)
        for vf in [vf for vf in range(VFS_PER_PF) if pf.free >> vf & 1][: len(wants)]
    ]
    nics: list[RawNic] = [
        {
            "name": f"nic {n}",
            "kind": "vf",
            "options": [{"segment": None, "attributes": {}, "bridge": None}],
            "attributes": dict(nic),
        }
        for n, nic in enumerate(wants)
    ]
    return devices_suffice(nics, devices)
