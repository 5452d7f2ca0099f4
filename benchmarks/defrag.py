"""What it costs to find the fewest moves, by fleet: hosts of 4 PFs with 64 VFs each.

    python -m benchmarks.defrag [--hosts 1000 10000] [--questions 20]

Prints one JSON object. Fleets are those of `benchmarks.placement`, filled by random churn; what
has owners on the hosts that are asked about is shared out to servers of 1 to 8 NICs, each with
demands that its devices meet. Asked is for 16 more free VFs on a PF, 32 more on a NUMA node, a
whole PF, and 64 more on a switch with the PFs of 16 hosts. Times are of single questions on one
core, in milliseconds:

* ``locked``: how long the index is kept from others at a time: for 8 hosts that can take a server;
* ``asked``: all that is asked of the index, in processor time; ``handed``: the hosts it gave;
* ``search``: the plan, once those are known, with the default budget; and ``states`` looked at.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

from benchmarks._index import as_view, make_request
from benchmarks._measuring import Series, machine
from benchmarks._raw_fleet import FILLS, NICS_OF_A_SERVER, RawHost, RawPf, Wants, make_fleet
from trunkline.domain.device import DeviceRef
from trunkline.domain.ids import DeviceId, HostId
from trunkline.placement.asks.request import NicChoice, Placed
from trunkline.placement.index.fleet import Fleet, HostView
from trunkline.placement.place import candidates
from trunkline.placement.planning.defrag import (
    Goal,
    Inquiry,
    Plan,
    covers,
    find_plan,
    inquiries,
)
from trunkline.placement.planning.residents import Resident

HOSTS_ON_A_SWITCH = 16
HOSTS_AT_ONCE = 8  # As `control.fleet` takes them.
WANTED_TAGS = (("trusted", 0.4), ("speed", 0.3))  # With how often a NIC asks for them.

Question = Callable[[Random, int], tuple[list[int], set[int], Goal]]
# Of the dice and the number of hosts: hosts, which of their PFs, how much more is to be free.


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--fills", nargs="+", choices=FILLS, default=["half", "nearly_full"])
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    before = machine()
    results = [
        {"hosts": count, **{f: measure(count, f, args.questions, args.seed) for f in args.fills}}
        for count in args.hosts
    ]
    report = {"benchmark": "defrag", "machine": before, "machine_after": machine()}
    sys.stdout.write(json.dumps(report | {"results": results}, indent=1) + "\n")


def measure(host_count: int, fill: str, questions: int, seed: int) -> dict[str, Any]:
    """Ask each kind of question some times."""
    dice = Random(seed)
    raw = make_fleet(host_count, fill=FILLS[fill], dice=dice)
    views = [as_view(number, host) for number, host in enumerate(raw)]
    fleet = Fleet()
    for view in views:
        fleet.put_host(view)
    ask(of_pf, 1, raw, views, fleet, dice)  # Warms the index, as decisions do in a service.
    return {
        name: ask(question, questions, raw, views, fleet, dice)
        for name, question in QUESTIONS.items()
    }


def of_pf(dice: Random, hosts: int) -> tuple[list[int], set[int], Goal]:
    """16 more VFs of one PF."""
    return [dice.randrange(hosts)], {dice.randrange(4)}, Goal(free=16)


def of_numa_node(dice: Random, hosts: int) -> tuple[list[int], set[int], Goal]:
    """32 more VFs of the two PFs of a NUMA node."""
    return [dice.randrange(hosts)], dice.choice(({0, 1}, {2, 3})), Goal(free=32)


def of_whole_pf(dice: Random, hosts: int) -> tuple[list[int], set[int], Goal]:
    """One PF, whole."""
    return [dice.randrange(hosts)], {dice.randrange(4)}, Goal(whole=True)


def of_switch(dice: Random, hosts: int) -> tuple[list[int], set[int], Goal]:
    """64 more VFs of the PFs on one switch."""
    return dice.sample(range(hosts), min(HOSTS_ON_A_SWITCH, hosts // 2)), {0, 1}, Goal(free=64)


QUESTIONS: dict[str, Question] = {
    "pf": of_pf, "numa_node": of_numa_node, "whole_pf": of_whole_pf, "switch": of_switch,
}  # fmt: skip


def ask(
    question: Question,
    times: int,
    raw: Sequence[RawHost],
    views: Sequence[HostView],
    fleet: Fleet,
    dice: Random,
) -> dict[str, Any]:
    """Ask one kind of question again and again, of other hosts each time."""
    locked, search = Series(), Series()
    asked, handed, states, moves, proven, found = [], [], [], [], 0, 0
    for _ in range(times):
        numbers, pfs, goal = question(dice, len(raw))
        residents = [one for n in numbers for one in residents_on(n, raw[n], dice)]
        hosts = [views[number] for number in numbers]
        target = [DeviceId(f"{number}.{p}") for number in numbers for p in pfs]
        if not goal.whole:
            free = sum(raw[n].pfs[p].free.bit_count() for n in numbers for p in pfs)
            goal = Goal(free=free + goal.free)
        wanted = covers(goal, target, hosts, residents)
        begun = len(locked)
        takers = {
            inquiry.shape: take(fleet, inquiry, locked) for inquiry in inquiries(wanted, hosts)
        }
        asked.append(1e3 * sum(locked.cpu[begun:]))
        handed.append(len({view.id for views in takers.values() for view in views}))
        plan = search.time(find_plan, wanted, hosts, takers)
        states.append(plan.states)
        if isinstance(plan, Plan):
            found += 1
            proven += plan.is_optimal
            moves.append(len(plan.moves))
    return {
        "questions": times,
        "plans": found,
        "proven": proven,
        "moves": round(statistics.median(moves), 1) if moves else None,
        "locked_ms": locked.summary(),
        "asked_ms": {"p50": round(statistics.median(asked), 2), "max": round(max(asked), 2)},
        "handed": max(handed),
        "search_ms": search.summary(),
        "states": {"p50": statistics.median(states), "max": max(states)},
    }


def take(fleet: Fleet, inquiry: Inquiry, locked: Series) -> list[HostView]:
    """What the service asks of the index, some hosts under one lock."""
    found = candidates(inquiry.request, fleet)
    views: list[HostView] = []

    def more() -> list[HostView]:
        some = islice(found, min(HOSTS_AT_ONCE, inquiry.at_most - len(views)))
        return [fleet.view(placed.host_id) for placed in some]

    while new := locked.time(more):
        views += new
    return views


def residents_on(number: int, host: RawHost, dice: Random) -> Iterator[Resident]:
    """Servers that have all devices of a host that are not free."""
    taken = [(p, vf) for p, pf in enumerate(host.pfs) for vf in range(64) if not pf.free >> vf & 1]
    dice.shuffle(taken)
    serial = 0
    while taken:
        size = dice.choice(NICS_OF_A_SERVER)
        devices, taken = taken[:size], taken[size:]
        yield Resident(
            server_id=f"{number}-{serial}",
            name=f"{host.name}-{serial}",
            host_id=HostId(str(number)),
            request=make_request([wants_of(host.pfs[p], dice) for p, _ in devices]),
            placed=Placed(
                host_id=HostId(str(number)),
                seen_generation=0,
                choices=tuple(
                    NicChoice(
                        nic=f"nic {n}",
                        segment_id=None,
                        device=DeviceRef(DeviceId(f"{number}.{p}"), vf),
                    )
                    for n, (p, vf) in enumerate(devices)
                ),
            ),
        )
        serial += 1


def wants_of(pf: RawPf, dice: Random) -> Wants:
    """Demands that a PF's devices meet."""
    wants = {"physical_network": pf.tags["physical_network"]}
    for name, chance in WANTED_TAGS:
        value = pf.attribute(name)
        if value is not None and dice.random() < chance:
            wants[name] = value
    return wants


if __name__ == "__main__":
    main()
