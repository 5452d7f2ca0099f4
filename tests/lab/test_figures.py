"""How fast VFs are programmed, beside `ip`, in one run; `pytest -s` shows what was measured."""

from __future__ import annotations

import statistics
import sys

from lab.guest import cards
from lab.machine import VFS_PER_CARD, LabHost
from tests.lab import figures_inside

ROUNDS = 5


def test_programming_28_vfs_is_faster_than_a_command_for_each(lab_host: LabHost) -> None:
    lab_host.reset(vf_count=VFS_PER_CARD, card_count=len(lab_host.cards))
    pfs = [cards.pf_address(card) for card, _ in enumerate(lab_host.cards, 1)]
    taken = lab_host.channel.call(figures_inside.measure, pfs, VFS_PER_CARD, ROUNDS, seconds=240)
    for name, times in taken.items():
        spread = statistics.quantiles(times, n=100)
        rate = 1000 / statistics.mean(times)
        sys.stdout.write(
            f"{name}: {rate:.0f} a second, p50 {spread[49]:.2f} ms, p99 {spread[98]:.2f} ms\n"
        )
    by = {name: statistics.median(times) for name, times in taken.items()}
    assert by["own, as root"] < by["ip link, one by one"]
    assert by["own, through the helper"] < by["ip link, one by one"]
