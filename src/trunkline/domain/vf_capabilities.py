"""Which VF settings a PF driver can honour: for placement to demand, and for agents to leave out.

An agent tries a driver out, once, and tells; the table here stands in for what was not tried.
It promises nobody 802.1ad: of those known here, ice and mlx4 have it, and only with firmware that
does.

Facts from the drivers of Linux 6.1, each with the function that decides it; igb's also measured
on kernels 6.1 and 6.12. What exactly a driver refuses, and with which errno, is in
`host/drivers.toml`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from trunkline.domain.vf import LinkState, VfChange, VlanProtocol

_ALL = frozenset(LinkState)


@dataclass(frozen=True, slots=True, kw_only=True)
class VfCapabilities:
    """What can be set for a VF besides its MAC and VLAN, which every driver listed here can."""

    vlan_qos: bool = False  # A priority other than 0.
    vlan_8021ad: bool = False  # An outer tag of 802.1ad rather than 802.1Q.
    spoof_check: bool = False
    trust: bool = False
    link_states: frozenset[LinkState] = (
        frozenset()
    )  # Those that take effect; empty: none can be set.
    min_tx_rate: bool = False  # A minimum other than 0.
    max_tx_rate: bool = False


_CAPABILITIES: Final[Mapping[str, VfCapabilities]] = MappingProxyType(
    {
        # en_main.c, mlx5e_set_vf_*(); esw/legacy.c. In switchdev mode nearly nothing of it holds.
        "mlx5_core": VfCapabilities(
            vlan_qos=True,
            spoof_check=True,
            trust=True,
            link_states=_ALL,
            min_tx_rate=True,
            max_tx_rate=True,
        ),
        # en_netdev.c, mlx4_netdev_ops_master: no ndo_set_vf_trust. cmd.c, mlx4_set_vf_rate().
        "mlx4_core": VfCapabilities(
            vlan_qos=True, spoof_check=True, link_states=_ALL, max_tx_rate=True
        ),
        # ixgbe_sriov.c, ixgbe_ndo_set_vf_link_state(): `enable` is logged and ignored;
        # ixgbe_ndo_set_vf_bw(): any minimum is EINVAL.
        "ixgbe": VfCapabilities(
            vlan_qos=True,
            spoof_check=True,
            trust=True,
            link_states=frozenset({LinkState.AUTO, LinkState.DISABLE}),
            max_tx_rate=True,
        ),
        # i40e_virtchnl_pf.c, i40e_ndo_set_vf_bw(): any minimum is EINVAL.
        "i40e": VfCapabilities(
            vlan_qos=True, spoof_check=True, trust=True, link_states=_ALL, max_tx_rate=True
        ),
        # ice_sriov.c, ice_set_vf_*().
        "ice": VfCapabilities(
            vlan_qos=True,
            spoof_check=True,
            trust=True,
            link_states=_ALL,
            min_tx_rate=True,
            max_tx_rate=True,
        ),
        # igb_main.c, igb_netdev_ops: no ndo_set_vf_link_state; igb_ndo_set_vf_bw(). Measured.
        "igb": VfCapabilities(vlan_qos=True, spoof_check=True, trust=True, max_tx_rate=True),
        # bnxt_sriov.c, bnxt_set_vf_vlan(): any priority is EINVAL.
        "bnxt_en": VfCapabilities(
            spoof_check=True, trust=True, link_states=_ALL, min_tx_rate=True, max_tx_rate=True
        ),
    }
)

NOTHING: Final = VfCapabilities()


def capability_names(able: VfCapabilities) -> tuple[str, ...]:
    """Name what can be set, as demands name it. Able to set the link state: to all its values."""
    return tuple(
        name
        for name, can in (
            ("link_state", able.link_states == _ALL),
            ("max_tx_rate", able.max_tx_rate),
            ("min_tx_rate", able.min_tx_rate),
            ("spoof_check", able.spoof_check),
            ("trust", able.trust),
            ("vlan_8021ad", able.vlan_8021ad),
            ("vlan_qos", able.vlan_qos),
        )
        if can
    )


_NAMES: Final = {driver: capability_names(able) for driver, able in _CAPABILITIES.items()}


def capability_attributes(
    pf_driver: str | None, seen: tuple[str, ...] | None = None
) -> Mapping[str, str]:
    """Return what a PF can set for its VFs as attributes that demands match on.

    Args:
        pf_driver: Its driver; of one not known here nothing is promised.
        seen: Names of what it was seen to do, if that was tried; then nothing else counts.

    Returns:
        ``can.NAME`` is ``true``, or missing.
    """
    return _as_attributes(_NAMES.get(pf_driver or "", ()) if seen is None else seen)


@functools.lru_cache(maxsize=256)
def _as_attributes(names: tuple[str, ...]) -> Mapping[str, str]:
    return MappingProxyType({f"can.{name}": "true" for name in names})


def vf_capabilities(pf_driver: str | None) -> VfCapabilities:
    """Return what `pf_driver` can set for its VFs; of a driver not known here, nothing is said."""
    return _CAPABILITIES.get(pf_driver or "", NOTHING)


def cannot_honour(capabilities: VfCapabilities, change: VfChange) -> tuple[str, ...]:
    """Name each setting of `change` that would be refused or ignored: ``link state enable``.

    Empty if all of them can be honoured. Turning off what can't be turned on is no demand.
    """
    found: list[str] = []
    if change.vlan_qos and not capabilities.vlan_qos:
        found.append(f"VLAN priority {change.vlan_qos}")
    if change.vlan_protocol is VlanProtocol.DOT1AD and not capabilities.vlan_8021ad:
        found.append(f"VLAN protocol {change.vlan_protocol.value}")
    if change.spoof_check and not capabilities.spoof_check:
        found.append("spoof check")
    if change.trust and not capabilities.trust:
        found.append("trust")
    if change.link_state is not None and change.link_state not in capabilities.link_states:
        found.append(f"link state {change.link_state.value}")
    if change.min_tx_rate_mbps and not capabilities.min_tx_rate:
        found.append(f"minimum rate {change.min_tx_rate_mbps} Mbit/s")
    if change.max_tx_rate_mbps and not capabilities.max_tx_rate:
        found.append(f"maximum rate {change.max_tx_rate_mbps} Mbit/s")
    return tuple(found)
