"""Quotas: how many devices a project may hold at a time."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.domain.device import DeviceKind
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ids import PhysicalNetwork, ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit of one project. Where there is none, a project may hold any number."""

    project_id: ProjectId
    kind: DeviceKind
    physical_network: PhysicalNetwork | None  # None: wherever they are cabled to.
    limit: int  # 0: none at all.

    def counts(self, kind: DeviceKind, physical_network: PhysicalNetwork | None) -> bool:
        """Say whether such a device counts against it."""
        return kind is self.kind and self.physical_network in (None, physical_network)

    @property
    def what(self) -> str:
        """What it limits, e.g. ``VFs on phy1``."""
        where = f" on {self.physical_network}" if self.physical_network else ""
        return f"{_PLURALS[self.kind]}{where}"


_PLURALS = {DeviceKind.VF: "VFs", DeviceKind.PF: "PFs", DeviceKind.PLAIN: "plain devices"}


class QuotaExceeded(TrunklineError):
    """A project would hold more devices than an admin lets it."""

    code = "quota.exceeded"
    kind = ErrorKind.FORBIDDEN  # As Nova answers it.

    def __init__(self, quota: Quota, *, held: int, wanted: int) -> None:
        super().__init__(
            f"quota exceeded for {quota.what}: {wanted} asked for, {held} of {quota.limit} held"
        )
        self.quota = quota
        self.held = held
        self.wanted = wanted
