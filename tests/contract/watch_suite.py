"""What the agent may rely on from any machine that tells of changes by itself.

One suite for every implementation: a test module imports all of it, and has a fixture `watched`.
"""

from __future__ import annotations

import enum
from typing import Protocol

import pytest

from trunkline.domain.pci import PciAddress
from trunkline.reconcile.interfaces import HostNews


class Change(enum.Enum):
    """Something that somebody does to the PF by hand."""

    VLAN_OF_A_VF = enum.auto()
    MAC_OF_A_VF = enum.auto()
    SET_DOWN = enum.auto()
    NO_VFS = enum.auto()


class WatchedMachine(Protocol):
    """A machine with a PF that is up and has VFs."""

    @property
    def pf(self) -> PciAddress: ...

    def told_of(self, change: Change) -> HostNews:
        """Do this, and return what was told of it first."""
        ...


@pytest.mark.parametrize("change", [Change.VLAN_OF_A_VF, Change.MAC_OF_A_VF, Change.SET_DOWN])
def test_a_change_of_a_pf_or_a_vf_is_told_as_the_pfs(
    watched: WatchedMachine, change: Change
) -> None:
    assert watched.told_of(change) == HostNews(pfs=frozenset({watched.pf}))


def test_vfs_that_go_mean_that_all_is_to_be_read(watched: WatchedMachine) -> None:
    assert watched.told_of(Change.NO_VFS).everything
