"""A fresh Debian 12 with systemd and AppArmor, installed by what a page of docs says.

The packages that the page has apt install are put in when the system is made, since the machine
that emulates it has the way to them; what the page has pip install likewise, by its own command.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import qemu, recipe
from lab.boot import booted
from lab.build import bootstrap, kept, remove, run
from lab.channel import Channel
from lab.guest.cards import MANAGEMENT_MAC
from lab.guest.commands import ADDRESS_OPTION
from lab.locks import lab_of_this_machine

PAGE = recipe.REPOSITORY / "docs/install-host.md"
DISK_BYTES = 6 << 30  # Sparse.
CARD_COUNT = 2
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale")
BOOT_SECONDS_MAX = 900.0  # 50 on two idle cores.
# What a Debian has that its installer made, and that no page needs to say.
PACKAGES = (
    *(
        "systemd-sysv",
        "udev",
        "dbus",
        "linux-image-amd64",
        "initramfs-tools",
        "apparmor",
        "adduser",
        "ifupdown",
    ),
    *("iproute2", "kmod", "ca-certificates", "python3", "libvirt-clients"),
)
NETWORK = f"""
[Match]
MACAddress={MANAGEMENT_MAC}
[Network]
Address=10.0.2.15/24
"""
COMMANDS = """
[Unit]
Description=What the tests ask for
[Service]
WorkingDirectory=/usr/local/lib/lab
ExecStart=/usr/bin/python3 -c "import commands; commands.main(preloaded=())"
Restart=always
RestartSec=1
KillMode=process
[Install]
WantedBy=multi-user.target
"""
BLOCK = re.compile(r"^(## [^\n]*|```console\n.*?^```)$", flags=re.MULTILINE | re.DOTALL)
# Mounts are of a namespace of their own: they go with the process. Whatever lets pip reach an
# index on this machine lets it do so from inside.
IN_TREE = """
tree=$1
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
for name in /etc/resolv.conf /etc/hosts /etc/pip.conf /root/.config/pip/pip.conf \
    /etc/ssl/certs/ca-certificates.crt
do
    if [ -e "$name" ]; then
        mkdir -p "$tree${name%/*}"
        if [ -h "$tree$name" ]; then rm "$tree$name"; fi
        : >> "$tree$name"
        mount --bind "$name" "$tree$name"
    fi
done
exec chroot "$tree" sh -euxc "cd /root; $2"
"""


@dataclass(frozen=True)
class Block:
    """A block of commands of a page.

    Attributes:
        section: The heading it stands below.
        commands: Each with the lines it goes on in; without the prompt.
        as_root: They are run on the host; otherwise wherever an admin is logged in.
    """

    section: str
    commands: tuple[str, ...]
    as_root: bool


def blocks(page: str) -> Iterator[Block]:
    """Read the ``console`` blocks of a page, in order.

    Raises:
        ValueError: A line of one begins with no prompt, or some with another.
    """
    section = ""
    for part in BLOCK.split(page):
        if part.startswith("## "):
            section = part.removeprefix("## ")
        elif part.startswith("```console"):
            text = part.removeprefix("```console\n").removesuffix("```").replace("\\\n", "")
            prompts = {line[:2] for line in text.splitlines()}
            if prompts not in ({"# "}, {"$ "}):
                raise ValueError(f"{section}: some begin with no prompt, or another: {text}")
            commands = tuple(line[2:] for line in text.splitlines())
            yield Block(section, commands, as_root=prompts == {"# "})


def file_block(page: str, language: str) -> str:
    """Return the one block of a page in this language."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def make_disk(directory: Path, install: Sequence[str]) -> Path:
    """Make the disk of a machine on which these commands of the page were followed.

    Args:
        directory: Where `disk`, `vmlinuz` and `initrd.img` are put.
        install: Its first is the one of apt.
    """
    apt, *others = install
    words = shlex.split(apt)
    assert words[:2] == ["apt", "install"], apt
    base = _ensure_base((*PACKAGES, *words[2:]))
    tree = directory / "tree"
    run("cp", "-a", "--reflink=auto", base, tree)
    _put_checkout(tree / "root/trunkline")
    script = "\n".join(others)
    run("sh", "-euc", IN_TREE, "sh", tree, script)
    _put_own(tree)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(tree / name, directory / name)
    disk = directory / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    run("mkfs.ext4", "-q", "-d", tree, disk)
    remove(tree)
    return disk


def _ensure_base(packages: Sequence[str]) -> Path:
    """Return the tree of a Debian with these packages; kept for as long as they are the same."""
    digest = recipe.digest(packages, recipe.SUITE)
    return kept("debian", digest, lambda tree: bootstrap(tree, packages, LEFT_OUT))


def _put_checkout(target: Path) -> None:
    """A checkout of the repository, as it is now."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=recipe.REPOSITORY, capture_output=True, check=True
    )
    for name in filter(None, done.stdout.decode().split("\0")):
        source = recipe.REPOSITORY / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def _put_own(tree: Path) -> None:
    """What the emulated machine has besides: the way to the tests, and nothing that waits."""
    _write(tree / "etc/hosts", "127.0.0.1 localhost labhost\n")
    _write(tree / "etc/hostname", "labhost\n")
    _write(tree / "etc/fstab", "/dev/vda / ext4 rw 0 1\n")
    _write(tree / "etc/systemd/network/10-management.network", NETWORK)
    _write(tree / "etc/systemd/system/lab-commands.service", COMMANDS)
    home = tree / "usr/local/lib/lab"
    home.mkdir(parents=True)
    shutil.copy(recipe.GUEST / "commands.py", home)
    enabled = ("systemd-networkd", "lab-commands")
    run("chroot", tree, "systemctl", "--quiet", "enable", *enabled)
    run("chroot", tree, "systemctl", "--quiet", "mask", "systemd-networkd-wait-online")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)


class Installed:
    """The machine, with its cards; its disk outlives its power."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._power = ExitStack()
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        """Runs commands in it, as root."""
        assert self._channel is not None, "it is off"
        return self._channel

    def power_on(self) -> None:
        """Boot it; it takes commands then.

        Raises:
            LabHostFailed: It did not come up.
        """
        tell = partial(print, file=sys.stderr, flush=True)
        self._channel, _ = self._power.enter_context(
            booted(self._command, self._directory, tell=tell, seconds_max=BOOT_SECONDS_MAX)
        )

    def cut_power(self) -> None:
        """End it without a word."""
        self._channel = None
        self._power.close()

    def _command(self, monitor_fd: int, tcp_port: int) -> list[str]:
        directory = self._directory
        arguments = qemu.machine(
            "installed",
            kernel=directory / "vmlinuz",
            initramfs=directory / "initrd.img",
            command_line=_kernel_command_line(tcp_port),
            cpu_count=2,
            directory=directory,
            monitor_fd=monitor_fd,
        )
        arguments += [
            *("-drive", f"if=none,id=disk,file={directory / 'disk'},format=raw,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=disk"),
            *qemu.slots(CARD_COUNT),
        ]
        for number in range(1, CARD_COUNT + 1):
            arguments += qemu.cabled_card(number, hub=number)
        return arguments


def _kernel_command_line(tcp_port: int) -> str:
    """What its boot loader would say, and where its tests are; clocks as in `lab.machine`."""
    return (
        "root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off no_timer_check tsc=reliable"
        " intel_iommu=on iommu=pt systemd.show_status=0"
        f" {ADDRESS_OPTION}10.0.2.2:{tcp_port}"
    )


@contextmanager
def installed_host(install: Sequence[str]) -> Iterator[Installed]:
    """Make the machine, and boot it; one emulated machine at a time."""
    recipe.CACHE.mkdir(parents=True, exist_ok=True)
    with (
        lab_of_this_machine(),
        tempfile.TemporaryDirectory(prefix="installed-", dir=recipe.CACHE) as name,
    ):
        make_disk(Path(name), install)
        host = Installed(Path(name))
        try:
            host.power_on()
            yield host
        finally:
            host.cut_power()
