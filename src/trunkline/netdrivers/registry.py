"""Finding the network drivers that the configuration names, and checking them at start."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final

from trunkline.domain.attributes import may_be_used
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.network import NetworkType
from trunkline.netdrivers.base import NETWORK_DRIVER_GROUP, NetworkDriver

# Drivers and their options, when the configuration says nothing.
DEFAULT_DRIVERS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"physical_network": {}, "tunnel": {}}
)


class UnknownNetworkDriver(TrunklineError):
    """The configuration names a network driver that is not installed."""

    code = "network_driver.unknown"
    kind = ErrorKind.INVALID

    def __init__(self, name: str, known: Iterable[str]) -> None:
        listing = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"no network driver {name!r} is installed "
            f"(entry points of group {NETWORK_DRIVER_GROUP!r} give: {listing})"
        )
        self.name = name


class DuplicateNetworkDriver(TrunklineError):
    """Two drivers claim the same name, or the same network type."""

    code = "network_driver.duplicate"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, first: str, second: str, remedy: str) -> None:
        super().__init__(f"{what} is claimed twice, by {first} and by {second}: {remedy}")
        self.what = what


class BrokenNetworkDriver(TrunklineError):
    """An entry point could not be loaded, or what it names is no network driver."""

    code = "network_driver.broken"
    kind = ErrorKind.CONFLICT

    def __init__(self, entry_point: EntryPoint, problem: str) -> None:
        super().__init__(
            f"the network driver {entry_point.name!r} ({entry_point.value}) "
            f"is not usable: {problem}"
        )


class AttributeNotScheduled(TrunklineError):
    """A network driver may demand an attribute that scheduling does not look at."""

    code = "network_driver.attribute_not_scheduled"
    kind = ErrorKind.INVALID

    def __init__(self, driver: str, attribute: str, scheduled: Iterable[str]) -> None:
        super().__init__(
            f"network driver {driver!r} demands the attribute {attribute!r} of devices, which is "
            f"not in the list of scheduling attributes ({', '.join(sorted(scheduled))}): "
            "add it there, or change the driver's options"
        )
        self.driver = driver
        self.attribute = attribute


def load_network_drivers(
    configured: Mapping[str, Mapping[str, str]] = DEFAULT_DRIVERS,
    *,
    found: Iterable[EntryPoint] | None = None,
) -> tuple[NetworkDriver, ...]:
    """Load the drivers that are configured, in that order.

    Args:
        configured: Names of drivers, each with its options.
        found: Stands in for the installed entry points.

    Raises:
        UnknownNetworkDriver: A name is not installed.
        DuplicateNetworkDriver: Two packages claim one name, or two drivers one network type.
        BrokenNetworkDriver: One can't be imported, or is no network driver.
        BadDriverOption: A driver does not take one of its options.
    """
    installed = _by_name(entry_points(group=NETWORK_DRIVER_GROUP) if found is None else found)
    drivers = []
    for name, options in configured.items():
        if name not in installed:
            raise UnknownNetworkDriver(name, installed)
        drivers.append(_load(installed[name], options))
    _require_distinct_types(drivers)
    return tuple(drivers)


def require_scheduled(drivers: Sequence[NetworkDriver], scheduled: Collection[str]) -> None:
    """Check at start that placement looks at every attribute that a driver may demand.

    Raises:
        AttributeNotScheduled: It does not; a requirement would never be met, or never be checked.
    """
    for driver in drivers:
        for attribute in sorted(driver.attributes_used()):
            if not may_be_used(attribute, scheduled):
                raise AttributeNotScheduled(driver.name, attribute, scheduled)


def _by_name(found: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    installed: dict[str, EntryPoint] = {}
    for entry_point in found:
        first = installed.setdefault(entry_point.name, entry_point)
        # One distribution can be seen twice (an editable install beside its wheel).
        if first.value != entry_point.value:
            raise DuplicateNetworkDriver(
                f"network driver {entry_point.name!r}",
                first.value,
                entry_point.value,
                "uninstall one of them",
            )
    return installed


def _load(entry_point: EntryPoint, options: Mapping[str, str]) -> NetworkDriver:
    try:
        driver_class = entry_point.load()
    except (ImportError, AttributeError) as problem:
        raise BrokenNetworkDriver(entry_point, str(problem)) from problem
    if not isinstance(driver_class, type):
        raise BrokenNetworkDriver(entry_point, "it is no class")
    driver = driver_class(dict(options))
    if not isinstance(driver, NetworkDriver):
        raise BrokenNetworkDriver(
            entry_point, "it lacks a part of trunkline.netdrivers.base.NetworkDriver"
        )
    return driver


def _require_distinct_types(drivers: Sequence[NetworkDriver]) -> None:
    serving: dict[NetworkType, NetworkDriver] = {}
    for driver in drivers:
        for network_type in sorted(driver.network_types, key=lambda kind: kind.value):
            first = serving.setdefault(network_type, driver)
            if first is not driver:
                raise DuplicateNetworkDriver(
                    f"network type {network_type.value!r}",
                    first.name,
                    driver.name,
                    "configure one of them",
                )
