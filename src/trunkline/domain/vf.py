"""The settings that a PF holds for each of its VFs, as rtnetlink carries them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from trunkline.domain.ether import ZERO_MAC, MacAddress


class LinkState(enum.Enum):
    """What the VF's link shows, whatever the PF's does. The values are iproute2's."""

    AUTO = "auto"  # As the PF's.
    ENABLE = "enable"
    DISABLE = "disable"


class VlanProtocol(enum.Enum):
    """Of the tag that a card puts around a VF's frames. The values are iproute2's."""

    DOT1Q = "802.1Q"  # EtherType 0x8100.
    DOT1AD = "802.1ad"  # EtherType 0x88a8: what the guest tags itself stays inside.


@dataclass(frozen=True, slots=True, kw_only=True)
class VfSettings:
    """All settings of one VF. None: this driver does not report (and can't change) it.

    Rates are in Mbit/s, 0 meaning no limit. `vlan_id` 0 with `vlan_qos` 0 means untagged; with
    `vlan_id` 0 the protocol is 802.1Q, whatever the kernel tells.
    """

    mac: MacAddress = ZERO_MAC
    vlan_id: int = 0
    vlan_qos: int = 0
    vlan_protocol: VlanProtocol = VlanProtocol.DOT1Q
    spoof_check: bool | None = True
    trust: bool | None = False
    link_state: LinkState | None = LinkState.AUTO
    min_tx_rate_mbps: int | None = 0
    max_tx_rate_mbps: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VfChange:
    """Settings to write to one VF; None leaves a setting alone.

    VLAN ID, priority and protocol go together in one netlink attribute, and so do the two rates:
    naming one without the others would erase them. So both of a pair must be given or neither.
    """

    mac: MacAddress | None = None
    vlan_id: int | None = None
    vlan_qos: int | None = None
    vlan_protocol: VlanProtocol | None = None  # Of the VLAN that is given; None: 802.1Q.
    spoof_check: bool | None = None
    trust: bool | None = None
    link_state: LinkState | None = None
    min_tx_rate_mbps: int | None = None
    max_tx_rate_mbps: int | None = None

    def __post_init__(self) -> None:
        assert (self.vlan_id is None) == (self.vlan_qos is None), "VLAN ID and priority go together"
        assert self.vlan_protocol is None or self.vlan_id is not None, "a protocol is of a VLAN"
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
            if self.vlan_protocol is VlanProtocol.DOT1AD:
                words.append(f"proto {self.vlan_protocol.value}")
        if self.min_tx_rate_mbps is not None:
            words.append(f"min_tx_rate {self.min_tx_rate_mbps} max_tx_rate {self.max_tx_rate_mbps}")
        if self.spoof_check is not None:
            words.append(f"spoofchk {'on' if self.spoof_check else 'off'}")
        if self.link_state is not None:
            words.append(f"state {self.link_state.value}")
        if self.trust is not None:
            words.append(f"trust {'on' if self.trust else 'off'}")
        return " ".join(words)


_VLAN: Final = frozenset({"vlan_id", "vlan_qos", "vlan_protocol"})
_RATES: Final = frozenset({"min_tx_rate_mbps", "max_tx_rate_mbps"})


def difference(*, desired: VfSettings, observed: VfSettings) -> VfChange:
    """What to write so that `observed` becomes `desired`: only what differs, pairs whole.

    A setting that is None on either side (not wanted, or not supported) is left alone.
    """
    changes: dict[str, Any] = {}
    for field in fields(VfSettings):
        want, have = getattr(desired, field.name), getattr(observed, field.name)
        if want is not None and have is not None and want != have:
            changes[field.name] = want
    if not _VLAN.isdisjoint(changes):
        changes |= {"vlan_id": desired.vlan_id, "vlan_qos": desired.vlan_qos}
        is_ordinary = desired.vlan_protocol is VlanProtocol.DOT1Q
        changes["vlan_protocol"] = None if is_ordinary else desired.vlan_protocol
    if not _RATES.isdisjoint(changes):
        for rate in _RATES:
            changes.setdefault(rate, getattr(desired, rate) or 0)
    return VfChange(**changes)


def apply_change(settings: VfSettings, change: VfChange) -> VfSettings:
    """Return `settings` as they are once `change` has been written in full."""
    given = {
        field.name: value
        for field in fields(VfChange)
        if (value := getattr(change, field.name)) is not None
    }
    if change.vlan_id is not None:
        is_tagged = change.vlan_id != 0
        protocol = change.vlan_protocol if is_tagged else None
        given["vlan_protocol"] = protocol or VlanProtocol.DOT1Q
    return replace(settings, **given)
