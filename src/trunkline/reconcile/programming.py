"""How one VF is programmed for a NIC, and brought back to what it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from trunkline.domain.device import PciFunction
from trunkline.domain.ether import ZERO_MAC
from trunkline.domain.vf import LinkState, VfChange, VfSettings, difference
from trunkline.reconcile.desired import NicConfig
from trunkline.reconcile.steps import SetVf

# Their PFs refuse a zero MAC (EPERM) while spoof check is on.
# Source: Linux drivers/net/ethernet/mellanox/mlx4/cmd.c, mlx4_set_vf_mac().
_SPOOF_CHECK_PINS_MAC: Final = frozenset({"mlx4_core", "mlx4_en"})


@dataclass(frozen=True, slots=True)
class CannotHonour:
    """The driver can't do what is asked."""

    problems: tuple[str, ...]


def desired_settings(
    nic: NicConfig, observed: VfSettings, *, speed_mbps: int | None = None
) -> VfSettings | CannotHonour:
    """Return what `nic` asks of its VF; None stands for what is not asked, or is so anyway.

    What the driver does not report, it can't do: that matters only if it is asked for. Asking for a
    protection to be off, or for the one link state a driver without the choice has, is no demand.

    Drivers refuse a limit above the speed of the link (`speed_mbps`; None: not known), which holds
    anyway: it is cut down to that.
    """
    most = nic.max_tx_rate_mbps
    if most is not None and speed_mbps is not None:
        most = min(most, speed_mbps)
    link_state = nic.link_state or LinkState.AUTO
    asked = {
        "spoof check": (nic.spoof_check, observed.spoof_check),
        "trust": (nic.trust, observed.trust),
        "link state": (link_state is not LinkState.AUTO, observed.link_state),
        "minimum rate": (bool(nic.min_tx_rate_mbps), observed.min_tx_rate_mbps),
        "maximum rate": (bool(nic.max_tx_rate_mbps), observed.max_tx_rate_mbps),
    }
    problems = tuple(what for what, (wanted, have) in asked.items() if wanted and have is None)
    if problems:
        return CannotHonour(problems)
    rates_asked = nic.min_tx_rate_mbps is not None or nic.max_tx_rate_mbps is not None
    return VfSettings(
        mac=nic.mac,
        vlan_id=nic.vlan_id,
        vlan_qos=nic.vlan_qos,
        vlan_protocol=nic.vlan_protocol,
        spoof_check=None if observed.spoof_check is None else nic.spoof_check,
        trust=None if observed.trust is None else nic.trust,
        link_state=None if observed.link_state is None else link_state,
        # The kernel takes both rates or neither, so the one not asked for is written as it is.
        min_tx_rate_mbps=_rate(nic.min_tx_rate_mbps, observed.min_tx_rate_mbps, rates_asked),
        max_tx_rate_mbps=_rate(most, observed.max_tx_rate_mbps, rates_asked),
    )


def neutral_settings(observed: VfSettings) -> VfSettings:
    """Return what to restore a VF to whose original state nobody knows any more.

    No MAC, VLAN, trust or rates of anybody's remain. Spoof check stays as it is: drivers differ in
    where they start from, and the next owner's is written before it runs.
    """
    return VfSettings(
        mac=ZERO_MAC,
        vlan_id=0,
        vlan_qos=0,
        spoof_check=observed.spoof_check,
        trust=None if observed.trust is None else False,
        link_state=None if observed.link_state is None else LinkState.AUTO,
        min_tx_rate_mbps=None if observed.min_tx_rate_mbps is None else 0,
        max_tx_rate_mbps=None if observed.max_tx_rate_mbps is None else 0,
    )


def set_vf(pf: PciFunction, vf_index: int, change: VfChange) -> SetVf:
    """Return the step that writes `change` through `pf`."""
    return SetVf(
        pf=pf.address, pf_ifname=pf.ifname or str(pf.address), vf_index=vf_index, change=change
    )


def program(
    pf: PciFunction, vf_index: int, *, desired: VfSettings, observed: VfSettings
) -> tuple[SetVf, ...]:
    """Return the writes that turn `observed` into `desired`; none when nothing differs."""
    change = difference(desired=desired, observed=observed)
    if change.is_empty:
        return ()
    spoof_check_first = (
        pf.pf_driver in _SPOOF_CHECK_PINS_MAC
        and change.mac is not None
        and change.mac.is_zero
        and observed.spoof_check is True
    )
    if not spoof_check_first:
        return (set_vf(pf, vf_index, change),)
    return (
        set_vf(pf, vf_index, VfChange(spoof_check=False)),
        set_vf(pf, vf_index, replace(change, spoof_check=desired.spoof_check or None)),
    )


def _rate(asked: int | None, observed: int | None, rates_asked: bool) -> int | None:  # noqa: FBT001
    if observed is None or not rates_asked:
        return None
    return observed if asked is None else asked
