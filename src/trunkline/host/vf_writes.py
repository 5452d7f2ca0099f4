"""What writes to VFs, VF counts and drivers do to a simulated kernel."""

from __future__ import annotations

import errno

from trunkline.domain.ether import ZERO_MAC
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange, apply_change
from trunkline.host import faults, machine
from trunkline.host.driver_data import Attempt, Setting, is_ignored, refusal_of
from trunkline.host.faults import FewerVfs
from trunkline.host.machine import KernelState, PfRecord, VfRecord, refused


def set_one(
    state: KernelState, pf: PfRecord, index: int, setting: Setting, change: VfChange
) -> None:
    """Apply one setting of a change to a VF: its driver may refuse it, or take no notice."""
    driver, vf = machine.driver_of(pf), pf.vfs[index]
    settings = machine.vf_settings(pf, index)
    link_up = pf.link_up and pf.admin_up
    if setting == "rate":
        _check_rates(change)
    if pf.is_switchdev and setting not in ("mac", "rate") and change.vlan_id != 0:
        # Source: Linux drivers/net/ethernet/mellanox/mlx5/core/eswitch.c; esw/legacy.c.
        raise refused(errno.EOPNOTSUPP)
    attempt = Attempt(
        change=change,
        settings=settings,
        other_min_tx_rates_mbps=sum(each.min_tx_rate_mbps for each in pf.vfs) - vf.min_tx_rate_mbps,
        link_up=link_up,
        speed_mbps=pf.speed_mbps if link_up else 0,
        double_vlan=pf.double_vlan,
    )
    refusal = refusal_of(driver, setting, attempt)
    if refusal is not None:
        raise refused(getattr(errno, refusal.errno))
    if is_ignored(driver, setting, change):
        return
    if setting == "vlan" and faults.ignores_vlan(state.faults, pf.address, index):
        return
    after = apply_change(settings, change)
    match setting:
        case "mac":
            has = machine.effective_mac(pf, index)
            vf.mac = after.mac
            vf.own_mac = ZERO_MAC  # The VF driver takes the new one over, or draws one.
            vf.old_mac = has if driver.mac_needs_reload and has != vf.mac else ZERO_MAC
        case "vlan":
            vf.vlan_id, vf.vlan_qos = after.vlan_id, after.vlan_qos
            vf.vlan_protocol = after.vlan_protocol
        case "rate":
            vf.min_tx_rate_mbps = after.min_tx_rate_mbps or 0
            vf.max_tx_rate_mbps = after.max_tx_rate_mbps or 0
        case "spoof_check":
            vf.spoof_check = after.spoof_check
        case "link_state":
            vf.link_state = after.link_state or vf.link_state
        case "trust":
            vf.trust = after.trust is True


def _check_rates(change: VfChange) -> None:
    """Source: net/core/rtnetlink.c, rtnl_set_vf_rate()."""
    low, high = change.min_tx_rate_mbps or 0, change.max_tx_rate_mbps or 0
    if low < 0 or high < 0 or 0 < high < low:
        raise refused(errno.EINVAL)


def set_vf_count(state: KernelState, pf: PfRecord, count: int) -> None:
    """Source: drivers/pci/iov.c, sriov_numvfs_store()."""
    if count < 0:
        raise refused(errno.EINVAL)
    if count > pf.vf_count_max:
        raise refused(errno.ERANGE)
    if count == len(pf.vfs):
        return
    if pf.in_guest:
        raise refused(errno.ENOENT)
    fixed = machine.driver_of(pf).vf_count_errno
    if fixed:
        raise refused(getattr(errno, fixed))
    if count and pf.vfs:
        raise refused(errno.EBUSY)
    # The kernel waits until they are closed. Source: drivers/vfio/vfio_main.c,
    # vfio_unregister_group_dev().
    if any(vf.opened for vf in pf.vfs):
        raise refused(errno.EBUSY)
    for fault in state.faults:
        if isinstance(fault, FewerVfs) and fault.pf == pf.address:
            count = min(count, fault.count)
    pf.vfs = [VfRecord() for _ in range(count)]


def bind(state: KernelState, address: PciAddress, *, to_guest: bool, opened: bool = False) -> None:
    """Bind a function to vfio-pci, where it is `opened` or idle, or back to its own driver."""
    found = machine.find_vf(state, address)
    if found is not None:
        pf, index = found
        vf = pf.vfs[index]
        vf.opened = opened
        if vf.in_guest != to_guest:
            # Its netdev goes, with the name and the MAC that were the netdev's alone.
            vf.in_guest, vf.ifname, vf.macvtap = to_guest, "", ""
            vf.own_mac = vf.old_mac = ZERO_MAC
        return
    for plain in state.plain:
        if plain.address == address:
            plain.in_guest, plain.opened = to_guest, opened
            return
    pf = machine.find_pf(state, address)
    if to_guest and any(vf.opened for vf in pf.vfs):
        raise refused(errno.EBUSY)
    pf.opened = opened
    if pf.in_guest == to_guest:
        return
    # The PF's own driver takes its VFs away when it goes, and brings none back. Its new netdev is
    # down: what set it up at boot does not look again.
    pf.in_guest, pf.vfs, pf.admin_up = to_guest, [], False
