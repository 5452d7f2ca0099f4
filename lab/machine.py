"""The lab host: a QEMU guest with SR-IOV cards, an IOMMU and a stock kernel.

Each physical network is a hub of QEMU's with the PFs that are cabled to it, one end that the lab
host has as a plain card (`wire-NAME` inside, to be the peer on the wire), and a capture.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import content, qemu, tsc
from lab.boot import BOOT_SECONDS_MAX, LabHostFailed, booted
from lab.build import Root, ensure_root
from lab.channel import Channel
from lab.guest import cards as inside
from lab.guest.commands import ADDRESS_OPTION
from lab.locks import lab_of_this_machine, only_one_on_this_machine
from lab.monitor import Monitor
from lab.wire import Capture

VFS_PER_CARD = 7  # What the 82576 has.


@dataclass(frozen=True)
class Card:
    """An Intel 82576 with one PF, cabled to a physical network."""

    physical_network: str


TWO_CARDS = (Card("phy1"), Card("phy2"))
FOUR_CARDS = (*TWO_CARDS, *TWO_CARDS)


@dataclass(frozen=True)
class LabHost:
    """A lab host that is up."""

    cards: Sequence[Card]
    channel: Channel
    monitor: Monitor
    directory: Path  # Its console, what QEMU said, its captures.

    def reset(self, *, vf_count: int, card_count: int = 2) -> None:
        """Bring cables, processes, links and VFs to the state that tests start from.

        Args:
            vf_count: How many VFs each PF has then; they have no driver.
            card_count: How many cards that is true of; the PFs of the others have no VFs.

        Raises:
            RaisedInside: It is not in that state.
        """
        self.channel.end_all()
        for card, _ in enumerate(self.cards, 1):
            self.plug_cable(card, plugged=True)
        networks = [card.physical_network for card in self.cards]
        counts = [vf_count if card < card_count else 0 for card, _ in enumerate(networks)]
        self.channel.call(inside.reset, networks, vf_counts=counts)

    def capture(self, physical_network: str) -> Capture:
        """What has gone over this physical network since the start, in the order it went."""
        return Capture(self.directory / f"{physical_network}.pcap")

    def move_card(self, card: int, *, slot: int) -> None:
        """Pull a card out of its slot and put it into another that is free.

        Card N sits in slot N at first, both counted from 1, and one slot more is free. The PF has
        a name of the kernel's choice then, and is down.
        """
        self.monitor.execute("device_del", id=f"card{card}")
        self.monitor.wait_for_event("DEVICE_DELETED", device=f"card{card}")
        self.monitor.execute("device_add", driver="igb", **qemu.card(card, slot))
        self.channel.call(inside.wait_for_pf, card, slot)

    def reboot(self) -> None:
        """Press its reset button: all that its memory held is gone, its file systems too.

        As at the start, it is tried twice.

        Raises:
            LabHostFailed: It did not come up again after either.
        """
        self.monitor.execute("set-action", reboot="reset")
        for _ in range(2):
            self.monitor.execute("system_reset")
            self.monitor.wait_for_event("RESET")
            self.channel.forget()
            if self.channel.has_been_called(BOOT_SECONDS_MAX):
                self.reset(vf_count=0)
                return
            print("The lab host did not come up after its reset.", file=sys.stderr, flush=True)
        raise LabHostFailed(f"it was not up {BOOT_SECONDS_MAX:g} s after each of two resets")

    def plug_cable(self, card: int, *, plugged: bool) -> None:
        """Plug or pull the cable of a PF; `card` counts from 1, as in the name of its netdev."""
        self.monitor.set_link(f"cable{card}", up=plugged)


@contextmanager
def lab_host(
    cards: Sequence[Card] = TWO_CARDS,
    *,
    tell: Callable[[str], object] = lambda told: print(told, file=sys.stderr, flush=True),
) -> Iterator[LabHost]:
    """Boot a lab host, and switch it off in the end; on a machine, for one run at a time.

    Args:
        cards: What it has.
        tell: Gets to know if it came up at the second start only, and what the first one said.

    Raises:
        LabHostFailed: It did not come up at either.
    """
    with (
        lab_of_this_machine(),
        tempfile.TemporaryDirectory(prefix="trunkline-lab-", ignore_cleanup_errors=True) as name,
    ):
        directory = Path(name)
        with only_one_on_this_machine("lab-images"):
            root = ensure_root()
            project = content.make_project_image(directory)
            images = (root.image, content.ensure_dependencies(), project)
        initramfs = directory / "initramfs"
        initramfs.write_bytes(content.initramfs(root))

        def command(monitor_fd: int, tcp_port: int) -> list[str]:
            return qemu_command(
                root, initramfs, images, cards, directory,
                monitor_fd=monitor_fd, tcp_port=tcp_port,
            )  # fmt: skip

        with booted(command, directory, tell=tell) as (channel, monitor):
            host = LabHost(cards, channel, monitor, directory)
            host.reset(vf_count=0)
            yield host


def qemu_command(
    root: Root,
    initramfs: Path,
    images: Sequence[Path],
    cards: Sequence[Card],
    directory: Path,
    *,
    monitor_fd: int,
    tcp_port: int,
) -> list[str]:
    """How to start the lab host.

    It has one CPU: two would wait for each other, and on a busy machine mostly for the other one to
    run; and in one of some hundred boots the second was seen to get no timer interrupts.
    """
    arguments = qemu.machine(
        "labhost",
        kernel=root.kernel,
        initramfs=initramfs,
        command_line=_kernel_command_line(tcp_port),
        cpu_count=1,
        directory=directory,
        monitor_fd=monitor_fd,
    )
    for number, image in enumerate(images):
        drive = f"if=none,id=image{number},file={image},format=raw,readonly=on,cache=unsafe"
        arguments += ["-drive", drive, "-device", f"virtio-blk-pci,drive=image{number}"]
    networks = list(dict.fromkeys(card.physical_network for card in cards))
    for hub, network in enumerate(networks, 1):
        pcap = directory / f"{network}.pcap"
        arguments += [
            *("-netdev", f"hubport,id=wire{hub},hubid={hub}"),
            *("-device", f"virtio-net-pci,netdev=wire{hub},mac={inside.wire_mac(hub)},romfile="),
            *("-object", f"filter-dump,id=capture{hub},netdev=wire{hub},file={pcap},maxlen=2048"),
        ]
    arguments += qemu.slots(len(cards) + 1)  # One more than cards, for one to be moved to.
    for number, card in enumerate(cards, 1):
        arguments += qemu.cabled_card(number, hub=networks.index(card.physical_network) + 1)
    return arguments


def _kernel_command_line(tcp_port: int) -> str:
    """What the lab host's kernel is told.

    On a busy machine ticks come late to an emulated one: its tests of timer and clock would now
    and then find them broken, and panic. The speed of its clock is told, since what it measured
    there was wrong by a factor of up to 17. Timer interrupts are periodic, because one that gets
    lost, which was seen once in a while on a busy machine, would otherwise be a CPU's last. The
    third line saves time, as grace periods of RCU and cleared memory take it. What it
    says is kept from its first line on, however many VFs come and go.
    """
    return (
        "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable"
        f" tsc_early_khz={tsc.khz()} nohz=off highres=off intel_iommu=on iommu=pt net.ifnames=0"
        " rcupdate.rcu_expedited=1 init_on_alloc=0 nowatchdog log_buf_len=4M"
        f" {ADDRESS_OPTION}10.0.2.2:{tcp_port}"
    )
