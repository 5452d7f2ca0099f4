"""Machines that QEMU emulates: what those of the lab have in common, and cards in their slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.boot import CONSOLE
from lab.guest import cards as inside

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 3072


def machine(
    name: str,
    *,
    kernel: Path,
    initramfs: Path,
    command_line: str,
    cpu_count: int,
    directory: Path,
    monitor_fd: int,
) -> list[str]:
    """QEMU's command for a machine with an IOMMU, and with a way to us, but no card and no disk.

    The host's physical address bits are limited because beyond 36 the firmware puts the VFs' BARs
    above 4 GiB, where this IOMMU truncates them: VFs then come up with random MACs.
    """
    return [
        *(QEMU, "-name", name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-no-reboot", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
        *("-cpu", "max,la57=off,phys-bits=36", "-smp", str(cpu_count), "-m", str(MEMORY_MIB)),
        *("-kernel", str(kernel), "-initrd", str(initramfs)),
        *("-append", command_line),
        *("-serial", f"file:{directory / CONSOLE}"),
        *("-chardev", f"socket,id=monitor,fd={monitor_fd}"),
        *("-mon", "chardev=monitor,mode=control"),
        *("-device", "intel-iommu,intremap=on"),
        *("-netdev", "user,id=management,ipv6=off"),
        *("-device", f"virtio-net-pci,netdev=management,mac={inside.MANAGEMENT_MAC},romfile="),
    ]


def slots(count: int) -> Iterator[str]:
    """Options for slots, numbered from 1, that a card can be put into."""
    for number in range(1, count + 1):
        port = f"pcie-root-port,id=slot{number},bus=pcie.0,chassis={number},slot={number}"
        yield from ("-device", f"{port},addr={0x0F + number:#x}")


def cabled_card(number: int, *, hub: int) -> Iterator[str]:
    """Options for a card in the slot of its number, whose cable ends at this hub."""
    device = ",".join(["igb", *(f"{key}={value}" for key, value in card(number, number).items())])
    yield from ("-netdev", f"hubport,id=cable{number},hubid={hub}", "-device", device)


def card(number: int, slot: int) -> Mapping[str, str]:
    """A card as QEMU is told of it; both numbers count from 1."""
    return {
        "id": f"card{number}",
        "bus": f"slot{slot}",
        "netdev": f"cable{number}",
        "mac": inside.pf_mac(number),
    }
