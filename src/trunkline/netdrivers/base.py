"""What a network driver is: it states what networks of its kind demand of a device.

Network drivers are found by the entry point group `trunkline.network_drivers`: a class that takes
the driver's options (a mapping of text from the configuration) and satisfies `NetworkDriver`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from trunkline.domain.device import OfferedDevice
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.network import Network, NetworkType, Segment
from trunkline.domain.port import VnicType

NETWORK_DRIVER_GROUP = "trunkline.network_drivers"


@dataclass(frozen=True, slots=True)
class Requirements:
    """Attributes that a device must have, e.g. ``{"e.physical_network": "phy1"}``: all of them."""

    attributes: Mapping[str, str]


class BadDriverOption(TrunklineError):
    """The configuration gives a network driver an option that it can't take."""

    code = "network_driver.bad_option"
    kind = ErrorKind.INVALID

    def __init__(self, driver: str, option: str, problem: str) -> None:
        super().__init__(f"network driver {driver!r}, option {option!r}: {problem}")
        self.driver = driver
        self.option = option


@runtime_checkable  # The registry checks what an entry point gave it.
class NetworkDriver(Protocol):
    """Knows one or more network types. All methods are pure."""

    name: str
    network_types: frozenset[NetworkType]
    vnic_types: frozenset[VnicType]  # What ports of these networks may ask for.

    def attributes_used(self) -> frozenset[str]:
        """Return every attribute that `requirements` may name; checked at start against the list
        of attributes that scheduling may use.
        """
        ...

    def requirements(self, network: Network, segment: Segment) -> Requirements:
        """Return what a device must have to reach `segment`.

        Networks that an admin made with provider attributes and tenants' own may differ in the
        attribute they use.
        """
        ...

    def refusal(self, network: Network, segment: Segment, device: OfferedDevice) -> str | None:
        """Check the device that was chosen, at binding. None: accepted; else why not."""
        ...
