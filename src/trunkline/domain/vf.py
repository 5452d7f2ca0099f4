"""The settings that a PF holds for each of its VFs, as rtnetlink carries them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from typing import Any

from trunkline.domain.ether import ZERO_MAC, MacAddress


class LinkState(enum.Enum):
    """What the VF's link shows, whatever the PF's does. The values are iproute2's."""

    AUTO = "auto"  # As the PF's.
    ENABLE = "enable"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True, kw_only=True)
class VfSettings:
    """All settings of one VF. None: this driver does not report (and can't change) it.

    Rates are in Mbit/s, 0 meaning no limit. `vlan_id` 0 with `vlan_qos` 0 means untagged.
    """

    mac: MacAddress = ZERO_MAC
    vlan_id: int = 0
    vlan_qos: int = 0
    spoof_check: bool | None = True
    trust: bool | None = False
    link_state: LinkState | None = LinkState.AUTO
    min_tx_rate_mbps: int | None = 0
    max_tx_rate_mbps: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VfChange:
    """Settings to write to one VF; None leaves a setting alone.

    VLAN ID and priority go together in one netlink attribute, and so do the two rates: naming one
    of a pair without the other would erase it, so both must be given or neither.
    """

    mac: MacAddress | None = None
    vlan_id: int | None = None
    vlan_qos: int | None = None
    spoof_check: bool | None = None
    trust: bool | None = None
    link_state: LinkState | None = None
    min_tx_rate_mbps: int | None = None
    max_tx_rate_mbps: int | None = None

    def __post_init__(self) -> None:
        assert (self.vlan_id is None) == (self.vlan_qos is None), "VLAN ID and priority go together"
        assert (self.min_tx_rate_mbps is None) == (self.max_tx_rate_mbps is None), (
            "minimum and maximum rate go together"
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be written."""
        return all(getattr(self, field.name) is None for field in fields(self))

    def __str__(self) -> str:
        """The arguments of ``ip link set PF vf N``, in the order the kernel applies them."""
        words: list[str] = []
        if self.mac is not None:
            words.append(f"mac {self.mac}")
        if self.vlan_id is not None:
            words.append(
                f"vlan {self.vlan_id}" + (f" qos {self.vlan_qos}" if self.vlan_qos else "")
            )
        if self.min_tx_rate_mbps is not None:
            words.append(f"min_tx_rate {self.min_tx_rate_mbps} max_tx_rate {self.max_tx_rate_mbps}")
        if self.spoof_check is not None:
            words.append(f"spoofchk {'on' if self.spoof_check else 'off'}")
        if self.link_state is not None:
            words.append(f"state {self.link_state.value}")
        if self.trust is not None:
            words.append(f"trust {'on' if self.trust else 'off'}")
        return " ".join(words)


def difference(*, desired: VfSettings, observed: VfSettings) -> VfChange:
    """What to write so that `observed` becomes `desired`: only what differs, pairs whole.

    A setting that is None on either side (not wanted, or not supported) is left alone.
    """
    changes: dict[str, Any] = {}
    for field in fields(VfSettings):
        want, have = getattr(desired, field.name), getattr(observed, field.name)
        if want is not None and have is not None and want != have:
            changes[field.name] = want
    for one, other in (("vlan_id", "vlan_qos"), ("min_tx_rate_mbps", "max_tx_rate_mbps")):
        if one in changes or other in changes:
            changes.setdefault(one, getattr(desired, one) or 0)
            changes.setdefault(other, getattr(desired, other) or 0)
    return VfChange(**changes)


def apply_change(settings: VfSettings, change: VfChange) -> VfSettings:
    """Return `settings` as they are once `change` has been written in full."""
    given = {
        field.name: value
        for field in fields(VfChange)
        if (value := getattr(change, field.name)) is not None
    }
    return replace(settings, **given)
