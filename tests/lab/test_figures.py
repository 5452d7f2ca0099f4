"""VFs are programmed faster than by a process of `ip` each; `make bench-lab` tells how fast."""

from __future__ import annotations

import statistics

from lab.guest import cards
from lab.machine import VFS_PER_CARD, LabHost
from tests.lab import figures_inside

ROUNDS = 2


def test_programming_28_vfs_is_faster_than_a_command_for_each(running_lab_host: LabHost) -> None:
    lab_host = running_lab_host
    lab_host.reset(vf_count=VFS_PER_CARD, card_count=len(lab_host.cards))
    pfs = [cards.pf_address(card) for card, _ in enumerate(lab_host.cards, 1)]
    taken = lab_host.channel.call(figures_inside.measure, pfs, VFS_PER_CARD, ROUNDS, seconds=960)
    by = {name: statistics.median(times) for name, times in taken.items()}
    assert by["own, as root"] < by["ip link, one by one"]
    assert by["own, through the helper"] < by["ip link, one by one"]
    lab_host.channel.end_all()
