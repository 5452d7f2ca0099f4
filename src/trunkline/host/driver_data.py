"""What each PF driver accepts, read from `drivers.toml`: data decides, with a few predicates."""

from __future__ import annotations

import errno
import functools
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal

from trunkline.domain.vf import VfChange, VfSettings, VlanProtocol
from trunkline.wire import json

Setting = Literal["mac", "vlan", "rate", "spoof_check", "link_state", "trust"]

# The order in which the kernel applies the attributes of one RTM_SETLINK for a VF.
# Source: net/core/rtnetlink.c, do_setvfinfo().
SETTING_FIELDS: Final[Mapping[Setting, tuple[str, ...]]] = MappingProxyType(
    {
        "mac": ("mac",),
        "vlan": ("vlan_id", "vlan_qos", "vlan_protocol"),
        "rate": ("min_tx_rate_mbps", "max_tx_rate_mbps"),
        "spoof_check": ("spoof_check",),
        "link_state": ("link_state",),
        "trust": ("trust",),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One setting about to be written to one VF, and what the driver looks at to judge it."""

    change: VfChange
    settings: VfSettings  # As they are.
    other_min_tx_rates_mbps: int  # Sum over the PF's other VFs.
    link_up: bool
    speed_mbps: int  # 0 while the link is down.
    double_vlan: bool = False  # The card's firmware can put an 802.1ad tag around another.


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A condition under which a driver refuses a setting."""

    setting: Setting
    when: str
    errno: str
    source: str
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A value that a driver acknowledges without effect."""

    setting: Setting
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One card that a driver serves."""

    product_id: str
    vf_product_id: str
    vf_count_max: int  # sriov_totalvfs of each PF.
    speed_mbps: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A PF driver: its cards, and what it does with VF settings."""

    vendor_id: str
    vf_driver: str  # Serves the VFs on the host.
    spoof_check: bool  # Of a new VF.
    own_mac_shows: bool  # The MAC that a VF chose itself is what the PF reports.
    vf_offset: int  # sriov_offset of PF 0.
    vf_stride: int
    pfs_interleave: bool  # VFs of the PFs alternate; else PF 1's follow PF 0's.
    products: tuple[Product, ...]
    layout_source: str
    products_source: str
    pf_count_max: int = 2  # PFs of one card.
    double_vlan_source: str = ""  # That firmware decides on 802.1ad; empty: the driver has none.
    # The answer to a VF, not trusted, that wants another MAC than the PF set; "": it may have it.
    own_mac_locked_errno: str = ""
    own_mac_source: str = ""
    # A VF's netdev keeps its MAC when the PF sets another one, until its driver is loaded anew.
    mac_needs_reload: bool = False
    mac_reload_source: str = ""
    vf_count_errno: str = ""  # sriov_numvfs can't be written at all.
    vf_count_source: str = ""
    ignores: tuple[Ignored, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def product(self, product_id: str) -> Product | None:
        """Find a card by the product ID of its PFs."""
        return next((each for each in self.products if each.product_id == product_id), None)


def _is_dot1ad(attempt: Attempt) -> bool:
    return attempt.change.vlan_protocol is VlanProtocol.DOT1AD


def _max_rate(attempt: Attempt) -> int:
    return attempt.change.max_tx_rate_mbps or 0


def _min_rate(attempt: Attempt) -> int:
    return attempt.change.min_tx_rate_mbps or 0


PREDICATES: Final[Mapping[str, Callable[[Attempt, int], bool]]] = MappingProxyType(
    {
        "always": lambda _attempt, _limit: True,
        "multicast": lambda attempt, _: (
            attempt.change.mac is not None and attempt.change.mac.is_multicast
        ),
        "zero_while_spoof_check": lambda attempt, _: (
            attempt.change.mac is not None
            and attempt.change.mac.is_zero
            and attempt.settings.spoof_check is True
        ),
        "above": lambda attempt, limit: (attempt.change.vlan_id or 0) > limit,
        "qos_above": lambda attempt, limit: (attempt.change.vlan_qos or 0) > limit,
        "dot1ad": lambda attempt, _: _is_dot1ad(attempt),
        "dot1ad_by_firmware": lambda attempt, _: _is_dot1ad(attempt) and not attempt.double_vlan,
        "link_down": lambda attempt, _: not attempt.link_up,
        "link_speed_not": lambda attempt, limit: attempt.speed_mbps != limit,
        "min": lambda attempt, _: _min_rate(attempt) > 0,
        "min_above_link": lambda attempt, _: _min_rate(attempt) > attempt.speed_mbps,
        "min_sum_above_link": lambda attempt, _: (
            _min_rate(attempt) > 0
            and _min_rate(attempt) + attempt.other_min_tx_rates_mbps > attempt.speed_mbps
        ),
        "max_not_above": lambda attempt, limit: 0 < _max_rate(attempt) <= limit,
        "max_above_link": lambda attempt, _: _max_rate(attempt) > attempt.speed_mbps,
    }
)


@functools.cache
def drivers() -> Mapping[str, Driver]:
    """Read the shipped table, once."""
    text = resources.files("trunkline.host").joinpath("drivers.toml").read_text("utf-8")
    table = json.convert(tomllib.loads(text), dict[str, Driver])
    for name, driver in table.items():
        for refusal in driver.refusals:
            assert refusal.when in PREDICATES, f"{name}: no predicate {refusal.when}"
            assert hasattr(errno, refusal.errno), f"{name}: no errno {refusal.errno}"
    return MappingProxyType(table)


def split(change: VfChange) -> Iterator[tuple[Setting, VfChange]]:
    """Take a change apart into the netlink attributes it is carried in, in the kernel's order."""
    for setting, names in SETTING_FIELDS.items():
        values = {name: getattr(change, name) for name in names}
        if any(value is not None for value in values.values()):
            yield setting, VfChange(**values)


def refusal_of(driver: Driver, setting: Setting, attempt: Attempt) -> Refusal | None:
    """Find the first reason for which the driver refuses the setting."""
    for refusal in driver.refusals:
        if refusal.setting == setting and PREDICATES[refusal.when](attempt, refusal.limit):
            return refusal
    return None


def is_ignored(driver: Driver, setting: Setting, change: VfChange) -> bool:
    """Say whether the driver acknowledges this setting without effect."""
    for ignored in driver.ignores:
        if ignored.setting == setting == "link_state":
            return change.link_state is not None and change.link_state.value == ignored.value
    return False
