"""What `docs/kernel-notes.md` says was seen is seen: a stock kernel with igb, libvirt apart."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from lab.channel import RaisedInside
from lab.guest import cards
from lab.machine import LabHost

DEVICE = "/sys/class/net/pf1/device"

ACCEPTED: list[dict[str, Any]] = [
    {"mac": "52:54:00:01:00:00"},
    {"vlan": 100},
    {"vlan": {"vlan": 100, "qos": 3}},
    {"vlan": 4095},  # No VLAN ID: what this kernel lets through, we must not.
    {"spoofchk": 0},
    {"trust": 1},
    {"rate": {"min_tx_rate": 0, "max_tx_rate": 100}},
]
REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"vlan": 4096}, errno.EINVAL),
    ({"vlan": [{"vlan": 100, "qos": 0, "proto": 0x8100}]}, errno.EINVAL),  # As pyroute2 packs it.
    ({"rate": {"min_tx_rate": 10, "max_tx_rate": 100}}, errno.EINVAL),
    ({"rate": {"min_tx_rate": 0, "max_tx_rate": 5000}}, errno.EINVAL),
    ({"mac": "01:00:5e:00:00:01"}, errno.EINVAL),
    ({"link_state": 0}, errno.EOPNOTSUPP),
    ({"link_state": 1}, errno.EOPNOTSUPP),
    ({"link_state": 2}, errno.EOPNOTSUPP),
]


def refusal(host: LabHost, function: Any, *args: Any, **kwargs: Any) -> int | None:
    """The number of the kernel's refusal; None if it accepted."""
    try:
        host.channel.call(function, *args, **kwargs)
    except RaisedInside as error:
        if error.errno is None:
            raise
        return error.errno
    return None


def test_a_pf_has_seven_vfs_and_no_more_are_made(lab_host_with_vfs: LabHost) -> None:
    assert lab_host_with_vfs.channel.call(cards.read, f"{DEVICE}/sriov_totalvfs") == "7"
    assert refusal(lab_host_with_vfs, cards.set_vf_count, "pf1", 8) == errno.ERANGE
    assert lab_host_with_vfs.channel.call(cards.read, f"{DEVICE}/sriov_numvfs") == "7"


def test_the_count_of_vfs_changes_from_none_only(lab_host_with_vfs: LabHost) -> None:
    assert refusal(lab_host_with_vfs, cards.set_vf_count, "pf1", 4) == errno.EBUSY
    assert refusal(lab_host_with_vfs, cards.set_vf_count, "pf1", 0) is None
    assert refusal(lab_host_with_vfs, cards.set_vf_count, "pf1", 7) is None


def test_vfs_are_where_offset_and_stride_say_each_in_a_group_of_its_own(
    lab_host_with_vfs: LabHost,
) -> None:
    listed = lab_host_with_vfs.channel.run(
        "sh", "-c",
        f"for n in 0 1 2 3 4 5 6; do v=$(readlink -f {DEVICE}/virtfn$n);"
        ' echo "${v##*/} $(readlink $v/physfn) $(ls $v/iommu_group/devices)"; done',
    )  # fmt: skip
    routing_ids = [(1 << 8) + 128 + 2 * n for n in range(7)]
    addresses = [f"0000:{r >> 8:02x}:{r >> 3 & 31:02x}.{r & 7}" for r in routing_ids]
    assert listed.splitlines() == [f"{each} ../0000:01:00.0 {each}" for each in addresses]


@pytest.mark.parametrize("settings", ACCEPTED, ids=str)
def test_igb_accepts(lab_host_with_vfs: LabHost, settings: dict[str, Any]) -> None:
    assert refusal(lab_host_with_vfs, cards.set_vf, "pf1", 3, **settings) is None


@pytest.mark.parametrize(("settings", "number"), REFUSED, ids=str)
def test_igb_refuses(lab_host_with_vfs: LabHost, settings: dict[str, Any], number: int) -> None:
    assert refusal(lab_host_with_vfs, cards.set_vf, "pf1", 3, **settings) == number
    assert lab_host_with_vfs.channel.call(cards.vf_settings, "pf1") == [cards.UNTOUCHED] * 7


def test_a_message_with_several_settings_is_not_atomic(lab_host_with_vfs: LabHost) -> None:
    settings = {"mac": "52:54:00:01:00:03", "vlan": 203, "link_state": 1}
    assert refusal(lab_host_with_vfs, cards.set_vf, "pf1", 3, **settings) == errno.EOPNOTSUPP
    found = lab_host_with_vfs.channel.call(cards.vf_settings, "pf1")[3]
    assert (found["mac"], found["vlan"]) == ("52:54:00:01:00:03", 203)


def test_igb_takes_no_other_protocol_than_8021q(lab_host_with_vfs: LabHost) -> None:
    done = lab_host_with_vfs.channel.start(
        ["ip", "link", "set", "pf1", "vf", "0", "vlan", "100", "proto", "802.1ad"]
    ).wait()
    assert (done.status, "Protocol not supported" in done.stderr) == (2, True)


def test_a_vf_does_not_change_the_mac_that_the_pf_gave_it(lab_host_with_vfs: LabHost) -> None:
    call = lab_host_with_vfs.channel.call
    call(cards.set_vf, "pf1", 0, mac="52:54:00:01:00:00")
    call(cards.bind, call(cards.vf_address, "pf1", 0), "igbvf")
    netdev = call(cards.vf_netdev, "pf1", 0)
    assert call(cards.read, f"/sys/class/net/{netdev}/address") == "52:54:00:01:00:00"
    change = ["ip", "link", "set", netdev, "address", "52:54:00:de:ad:01"]
    done = lab_host_with_vfs.channel.start(change).wait()
    assert (done.status, "Cannot assign requested address" in done.stderr) == (2, True)


OPEN_BY_VFIO = """
import fcntl, os, struct, sys
address = sys.argv[1]
device = f"/sys/bus/pci/devices/{address}"
def enabled():
    with open(f"{device}/enable") as file:
        print(file.read().strip())
enabled()
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open("/dev/vfio/" + os.path.basename(os.readlink(f"{device}/iommu_group")), os.O_RDWR)
fcntl.ioctl(group, 0x3B68, struct.pack("i", container))  # VFIO_GROUP_SET_CONTAINER
fcntl.ioctl(container, 0x3B66, 1)  # VFIO_SET_IOMMU, type 1
opened = fcntl.ioctl(group, 0x3B6A, bytearray(address.encode() + bytes(1)))  # …_GET_DEVICE_FD
enabled()
for each in (opened, group, container):
    os.close(each)
enabled()
"""


def test_a_vf_on_vfio_is_enabled_while_somebody_has_it_open(lab_host_with_vfs: LabHost) -> None:
    call = lab_host_with_vfs.channel.call
    address = call(cards.vf_address, "pf1", 0)
    call(cards.bind, address, "vfio-pci")
    said = lab_host_with_vfs.channel.run("python3", "-c", OPEN_BY_VFIO, address)
    assert said.split() == ["0", "1", "0"]
    assert call(cards.read, f"/sys/bus/pci/devices/{address}/enable") == "0"


def test_a_pf_whose_cable_is_pulled_loses_its_carrier(lab_host_with_vfs: LabHost) -> None:
    lab_host_with_vfs.plug_cable(1, plugged=False)
    lab_host_with_vfs.channel.call(cards.wait_for_operstate, "pf1", "down")
    lab_host_with_vfs.plug_cable(1, plugged=True)
    lab_host_with_vfs.channel.call(cards.wait_for_operstate, "pf1", "up")
