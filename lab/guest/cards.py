"""The lab host's cards, from inside: their names, and the state that every test starts from."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

MANAGEMENT_MAC = "52:54:00:cc:00:00"
NETDEVS = Path("/sys/class/net")
NAMESPACES = Path("/run/netns")
PCI = Path("/sys/bus/pci")
LEFT_IN = ("/tmp", "/run/agent", "/run/libvirt", "/var/lib/libvirt/qemu", "/etc/libvirt/qemu")
UDEV_RULES = Path("/run/udev/rules.d/70-cards.rules")
WAIT_SECONDS_MAX = 120
COMPLETION_TIMEOUT = 0x4000  # PCI_ERR_UNC_COMP_TIME of Linux include/uapi/linux/pci_regs.h
RTMGRP_LINK = 1  # Linux include/uapi/linux/rtnetlink.h
RTEXT_FILTER_VF = 1  # Linux include/uapi/linux/rtnetlink.h

# What igb says of a VF that nobody has touched.
UNTOUCHED = {
    "mac": "00:00:00:00:00:00",
    "vlan": 0,
    "qos": 0,
    "spoofchk": 1,
    "trust": 0,
    "link_state": 0,
    "min_tx_rate": 0,
    "max_tx_rate": 0,
}


class NotClean(Exception):
    """The cards could not be brought to the state that tests start from."""


def pf_mac(card: int) -> str:
    """The permanent MAC of a PF; `card` counts from 1."""
    return f"52:54:00:aa:{card:02x}:00"


def wire_mac(network: int) -> str:
    """The MAC of our own end of a physical network; they count from 1."""
    return f"52:54:00:bb:{network:02x}:00"


def pf_address(card: int) -> str:
    """The PCI address of a PF; each card is behind a root port of its own."""
    return f"0000:{card:02x}:00.0"


def reset(physical_networks: Sequence[str], *, vf_counts: Sequence[int]) -> None:
    """End what was started, take away what was made, and make VFs that nobody has touched.

    Args:
        physical_networks: What each card is cabled to.
        vf_counts: Of each PF; 0 leaves `sriov_drivers_autoprobe` as the kernel has it, else the
            VFs have no driver.

    Raises:
        NotClean: Something is not as it was after the boot.
    """
    _end_processes()
    _forget_files()
    if UDEV_RULES.exists():
        UDEV_RULES.unlink()
        run("udevadm", "control", "--reload")
    for namespace in NAMESPACES.iterdir() if NAMESPACES.exists() else ():
        run("ip", "netns", "delete", namespace.name)
    for card, _ in enumerate(physical_networks, 1):
        device = PCI / "devices" / pf_address(card)
        if driver_of(device.name) != "igb":
            bind(device.name, "igb")
    name_links(physical_networks)
    for card, vf_count in enumerate(vf_counts, 1):
        reset_vfs(f"pf{card}", vf_count)
    for card, _ in enumerate(physical_networks, 1):
        wait_for_operstate(f"pf{card}", "up")


def reset_vfs(pf: str, vf_count: int) -> None:
    """Bring the VFs of a PF to the state that tests start from; see `reset`.

    They are made anew only where there are too many or too few: that takes half a second each.
    """
    device = NETDEVS / pf / "device"
    write(device / "sriov_drivers_autoprobe", int(vf_count == 0))
    if int(read(device / "sriov_numvfs")) != vf_count:
        write(device / "sriov_numvfs", 0)
        if vf_count:
            write(device / "sriov_numvfs", vf_count)
    for vf_index, settings in enumerate(vf_settings(pf)):
        _undo(pf, vf_index, settings)
    if (found := vf_settings(pf)) != [UNTOUCHED] * vf_count:
        raise NotClean(f"{pf} is to have {vf_count} VFs that nobody has touched, and has {found}")


def _undo(pf: str, vf_index: int, settings: dict[str, Any]) -> None:
    device = PCI / "devices" / vf_address(pf, vf_index)
    unbind(device.name)
    write(device / "driver_override", "\n")
    changed = {name for name, value in settings.items() if value != UNTOUCHED[name]}
    for names, setting in (
        ({"mac"}, {"mac": UNTOUCHED["mac"]}),
        ({"vlan", "qos"}, {"vlan": {"vlan": 0, "qos": 0}}),
        ({"spoofchk"}, {"spoofchk": 1}),
        ({"trust"}, {"trust": 0}),
        ({"min_tx_rate", "max_tx_rate"}, {"rate": {"min_tx_rate": 0, "max_tx_rate": 0}}),
    ):
        if names & changed:
            set_vf(pf, vf_index, **setting)


def name_links(physical_networks: Sequence[str]) -> None:
    """Name the PFs `pf1`… in the order of the cards, and our ends of the wires `wire-NAME`.

    What else there is of links is deleted, and all addresses.
    """
    names = {pf_mac(number): f"pf{number}" for number, _ in enumerate(physical_networks, 1)}
    for number, network in enumerate(dict.fromkeys(physical_networks), 1):
        names[wire_mac(number)] = f"wire-{network}"

    def real_links() -> dict[str, str]:
        return {
            (link / "address").read_text().strip(): link.name
            for link in NETDEVS.iterdir()
            if (link / "device").exists()
        }

    for link in NETDEVS.iterdir():
        if link.name != "lo" and link.is_dir() and not (link / "device").exists():
            subprocess.run(["ip", "link", "delete", link.name], capture_output=True)
    # A network namespace that is deleted gives its links back a little later.
    wait_for_links(lambda: names.keys() <= real_links().keys(), f"links {sorted(names)}")
    commands = []  # In one process: each takes as long to start as all of them to do.
    for mac, name in real_links().items():
        if mac not in names:
            continue
        commands.append(f"address flush dev {name}")
        if name != names[mac]:
            commands.append(f"link set {name} down name {names[mac]}")
        commands.append(f"link set {names[mac]} mtu 1500 promisc off up")
    run("ip", "-batch", "-", given="\n".join(commands) + "\n")


def keep_names(card_count: int) -> None:
    """Have udev name the PFs whenever they come, as a host's does.

    Without it a PF that comes back from a guest has the next name that is free. It is down then, as
    it is on a host whose interfaces are set up at boot.
    """
    UDEV_RULES.parent.mkdir(exist_ok=True)
    UDEV_RULES.write_text(
        "".join(
            f'ACTION=="add", SUBSYSTEM=="net", DRIVERS=="igb", ATTR{{address}}=="{pf_mac(card)}", '
            f'NAME="pf{card}"\n'
            for card in range(1, card_count + 1)
        )
    )
    run("udevadm", "control", "--reload")


def vf_settings(pf: str) -> list[dict[str, Any]]:
    """What the kernel says of a PF's VFs, by one message of rtnetlink: `UNTOUCHED` has the keys."""
    with IPRoute() as netlink:
        [index] = netlink.link_lookup(ifname=pf)
        [link] = netlink.link("get", index=index, ext_mask=RTEXT_FILTER_VF)
    found = link.get_attr("IFLA_VFINFO_LIST")
    return [_settings(vf) for vf in found.get_attrs("IFLA_VF_INFO")] if found else []


def _settings(vf: Any) -> dict[str, Any]:
    vlan = vf.get_attr("IFLA_VF_VLAN")
    rate = vf.get_attr("IFLA_VF_RATE")
    return {
        "mac": vf.get_attr("IFLA_VF_MAC")["mac"],
        "vlan": vlan["vlan"],
        "qos": vlan["qos"],
        "spoofchk": vf.get_attr("IFLA_VF_SPOOFCHK")["spoofchk"],
        "trust": vf.get_attr("IFLA_VF_TRUST")["trust"],
        "link_state": vf.get_attr("IFLA_VF_LINK_STATE")["link_state"],
        "min_tx_rate": rate["min_tx_rate"],
        "max_tx_rate": rate["max_tx_rate"],
    }


def set_vf(pf: str, vf_index: int, **settings: Any) -> None:
    """Send one message of rtnetlink about a VF, with settings as pyroute2 names them.

    Raises:
        NetlinkError: The kernel's answer, with its number as `code`.
    """
    with IPRoute() as netlink:
        [index] = netlink.link_lookup(ifname=pf)
        netlink.link("set", index=index, vf={"vf": vf_index, **settings})


def vf_address(pf: str, vf_index: int) -> str:
    """The PCI address of a VF."""
    return (NETDEVS / pf / f"device/virtfn{vf_index}").resolve().name


def bind(address: str, driver: str) -> None:
    """Have `driver` drive a PCI function, instead of any other."""
    device = PCI / "devices" / address
    unbind(address)
    if not (PCI / "drivers" / driver).exists():
        run("modprobe", driver)
    write(device / "driver_override", driver)
    write(PCI / "drivers_probe", address)
    if (bound := driver_of(address)) != driver:
        raise NotClean(f"{address} is driven by {bound}, not by {driver}")


def driver_of(address: str) -> str | None:
    """What drives a PCI function; None: nothing does."""
    driver = PCI / "devices" / address / "driver"
    return driver.resolve().name if driver.exists() else None


def unbind(address: str) -> None:
    """Take a PCI function away from its driver, if it has one."""
    if driver_of(address) is not None:
        write(PCI / "devices" / address / "driver/unbind", address)


def meet_error(address: str) -> None:
    """Have the kernel take a function to have met an uncorrectable, non-fatal error (AER).

    It is told so by the kernel's own injector: QEMU's igb reports none.
    Source: Linux drivers/pci/pcie/aer_inject.c, struct aer_error_inj.
    """
    run("modprobe", "aer_inject")
    domain, bus, device, function = (int(each, 16) for each in re.split("[:.]", address))
    told = struct.pack("=BBBxIIIIIII", bus, device, function, COMPLETION_TIMEOUT, *[0] * 5, domain)
    descriptor = os.open("/dev/aer_inject", os.O_WRONLY)
    try:
        os.write(descriptor, told)
    finally:
        os.close(descriptor)


def rename(old: str, new: str) -> None:
    """Rename a netdev, which is up then."""
    run("ip", "link", "set", old, "down")
    run("ip", "link", "set", old, "name", new, "up")


def vf_netdev(pf: str, vf_index: int) -> str:
    """The netdev of a VF that igbvf drives."""
    [netdev] = (PCI / "devices" / vf_address(pf, vf_index) / "net").iterdir()
    return netdev.name


def wait_for_vf_netdev(pf: str, vf_index: int) -> None:
    """Wait until a VF's netdev is in the network namespace that we are in."""
    net = PCI / "devices" / vf_address(pf, vf_index) / "net"
    wait_for_links(
        lambda: any((NETDEVS / each.name).exists() for each in net.glob("*")),
        f"the netdev of VF {vf_index} of {pf}",
    )


def use_vf(pf: str, vf_index: int, *, namespace: str, address: str) -> None:
    """Put a VF's netdev into a network namespace of its own, as if a guest had it."""
    bind(vf_address(pf, vf_index), "igbvf")
    _move(vf_netdev(pf, vf_index), namespace, address)


def use_wire(physical_network: str, *, vlan: int, namespace: str, address: str) -> None:
    """Be a peer on a VLAN of a physical network, in a network namespace of its own."""
    link = f"wire-{physical_network}"
    run("ip", "link", "add", f"vlan{vlan}", "link", link, "type", "vlan", "id", str(vlan))
    _move(f"vlan{vlan}", namespace, address)


def _move(link: str, namespace: str, address: str) -> None:
    run("ip", "netns", "add", namespace)
    run("ip", "link", "set", link, "netns", namespace)
    run("ip", "-n", namespace, "address", "add", address, "dev", link)
    run("ip", "-n", namespace, "link", "set", link, "up")


def answers(namespace: str, address: str) -> bool:
    """Say whether an address answers to one of some pings from a network namespace.

    It tries for three seconds, since a link that was just set up sends a little later.
    """
    ping = ["ping", "-q", "-i", "0.2", "-w", "3", "-c", "1", address]
    return subprocess.run(["ip", "netns", "exec", namespace, *ping]).returncode == 0


def wait_for_operstate(netdev: str, wanted: str) -> None:
    """Wait until a link is there and `up`, that is can send, or `down`."""
    state = NETDEVS / netdev / "operstate"
    wait_for_links(lambda: state.exists() and read(state) == wanted, f"{netdev} to be {wanted}")


def wait_for_links(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so that the kernel tells of as a change of links.

    Raises:
        NotClean: It did not come to be.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as changes:
        changes.bind((0, RTMGRP_LINK))
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not is_so():
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotClean(f"waited {WAIT_SECONDS_MAX} s in vain for {what}")
            changes.settimeout(left)
            try:
                changes.recv(1 << 16)
            except TimeoutError:
                continue


def wait_for_pf(card: int, slot: int) -> None:
    """Wait until the PF of a card has a netdev where it was put."""
    net = PCI / "devices" / pf_address(slot) / "net"
    wait_for_links(
        lambda: any(read(each / "address") == pf_mac(card) for each in net.glob("*")),
        f"the netdev of card {card} in slot {slot}",
    )


def set_vf_count(pf: str, count: int) -> None:
    """Write `sriov_numvfs`.

    Raises:
        OSError: The kernel refused it.
    """
    write(NETDEVS / pf / "device/sriov_numvfs", count)


def read(path: str | Path) -> str:
    """Read a file of sysfs."""
    return Path(path).read_text().strip()


def write(path: str | Path, value: object) -> None:
    """Write to a file of sysfs, in one call."""
    with Path(path).open("wb", buffering=0) as file:
        file.write(f"{value}".encode())


def run(*argv: str, given: str | None = None) -> str:
    """Run a program and return what it printed; what it complains of is in the exception."""
    done = subprocess.run(argv, text=True, capture_output=True, input=given)
    if done.returncode != 0:
        raise OSError(done.returncode, f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _end_processes() -> None:
    """Kill all but udev, ourselves and those that we descend from."""
    spared = {os.getpid(), os.getppid(), 1}
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        pid = int(status.parent.name)
        try:
            command = status.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command and pid not in spared and b"systemd-udevd" not in command:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _forget_files() -> None:
    """Empty the directories in which tests, libvirt and agents leave things."""
    for name in LEFT_IN:
        directory = Path(name)
        for path in directory.iterdir() if directory.exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
