"""What the configuration lets callers touch, with what it leaves to be found on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from trunkline.domain.auto_bridges import AUTO, Uplinks, find_bridges
from trunkline.domain.auto_specs import find_pfs
from trunkline.domain.device import OfferedDevice, PciFunction
from trunkline.domain.device_spec import DeviceSpec, Offering
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress

_log = structlog.get_logger(__name__)


class Listed:
    """Device specs and bridges. `auto` is looked up until it is found, and then stays so.

    What can't be told just now, as which PF is meant while a guest has it, is not listed, and holds
    up nothing else.
    """

    def __init__(
        self,
        specs: Sequence[DeviceSpec],
        bridges: Mapping[PhysicalNetwork, str],
        *,
        uplinks: Callable[[], Uplinks] = dict,
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            specs: What is on offer.
            bridges: Bridges whose ports may be given VLANs, by physical network.
            uplinks: Reads what is beneath the bridges of the machine, if one is to be found.
        """
        self.specs = tuple(specs)
        self._offering = Offering(specs)
        self._bridges = dict(bridges)
        self._uplinks = uplinks
        self._faults: frozenset[str] = frozenset()

    @property
    def bridges(self) -> frozenset[str]:
        """The bridges that are named, or were found."""
        return frozenset(self._bridges.values()) - {AUTO}

    def offered(self, functions: Mapping[PciAddress, PciFunction]) -> tuple[OfferedDevice, ...]:
        """Return what is on offer, by address, having looked for what is yet to be found."""
        self._look(functions)
        return self._offering(functions)

    def _look(self, functions: Mapping[PciAddress, PciFunction]) -> None:
        faults: dict[str, str] = {}
        if any(spec.is_auto for spec in self.specs):
            self.specs, of_specs = find_pfs(self.specs, functions)
            self._offering = Offering(self.specs)
            faults |= {f"device_spec[{at}].address": fault for at, fault in of_specs.items()}
        if AUTO in self._bridges.values():
            found, of_bridges = find_bridges(self._bridges, functions, self.specs, self._uplinks())
            self._bridges |= found
            faults |= {f"bridges.{network}": fault for network, fault in of_bridges.items()}
        told = frozenset(f"{place}: {fault}" for place, fault in faults.items())
        for each in sorted(told - self._faults):
            _log.warning("not found on this machine", problem=each)
        self._faults = told
