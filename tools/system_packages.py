"""Make sure of the programs and data that the tests need and that PyPI does not have.

As root on Debian or Ubuntu they are installed; anybody else is told what to install, and why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import debian_sources


@dataclass(frozen=True)
class Need:
    """A Debian package, what it is for, and how to see that what it brings is there already."""

    package: str
    reason: str
    is_met: Callable[[], bool]
    suite: str | None = None  # Where the machine's own has none that is new enough.


NEEDS = (
    Need(
        "postgresql",
        "the store's tests run on PostgreSQL as well; they start a cluster of their own",
        lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or has_program("initdb"),
    ),
    Need(
        "haproxy",
        "a load balancer, before replicas that are restarted one after the other",
        lambda: has_program("haproxy"),
    ),
    Need(
        "libvirt0",
        "libvirt's own RNG schemas, against which the domain XML is validated",
        lambda: Path("/usr/share/libvirt/schemas/domain.rng").exists(),
    ),
    Need(
        "gcc",
        "the storage shim of the durability tests is compiled",
        lambda: has_program("cc") or has_program("gcc"),
    ),
    Need(
        "libc6-dev",
        "the C library's headers, for the same shim",
        lambda: Path("/usr/include/stdio.h").exists(),
    ),
    Need(
        "libvirt-dev",
        "libvirt's headers: its Python bindings are published as source only",
        lambda: Path("/usr/include/libvirt/libvirt.h").exists(),
    ),
    Need("pkg-config", "finds those headers", lambda: has_program("pkg-config")),
    Need(
        "python3-dev",
        "Python's headers, for the same bindings",
        lambda: (Path(sysconfig.get_paths()["include"]) / "Python.h").exists(),
    ),
    Need(
        "libvirt-daemon",
        "a libvirtd of the tests' own starts real guests",
        lambda: has_program("libvirtd"),
    ),
    Need(
        "libvirt-daemon-driver-qemu",
        "libvirtd's part that starts QEMU",
        lambda: any(Path("/usr/lib").glob("*/libvirt/connection-driver/libvirt_driver_qemu.so")),
    ),
    Need("libvirt-clients", "virsh, for the same tests", lambda: has_program("virsh")),
    Need(
        "qemu-system-x86",
        "the guests; they are emulated, KVM is not needed",
        lambda: has_program("qemu-system-x86_64"),
    ),
    Need("xorriso", "makes guests' config drives", lambda: has_program("xorriso")),
    Need("qemu-utils", "qemu-img, which makes their disks", lambda: has_program("qemu-img")),
    Need("systemd", "reads the units", lambda: has_program("systemd-analyze")),
)


LAB_NEEDS = (
    Need(
        "qemu-system-x86",
        "emulates cards with SR-IOV (its `igb`, from version 8.0 on)",
        lambda: qemu_has("igb"),
        suite="bookworm-backports",
    ),
    Need("mmdebstrap", "makes the lab host's root file system", lambda: has_program("mmdebstrap")),
    Need("erofs-utils", "makes images of it", lambda: has_program("mkfs.erofs")),
    Need("kmod", "finds what kernel modules depend on", lambda: has_program("depmod")),
)


def qemu_has(device: str) -> bool:
    """Say whether the QEMU on PATH knows a device."""
    if not has_program("qemu-system-x86_64"):
        return False
    asked = subprocess.run(
        ["qemu-system-x86_64", "-device", "help"], text=True, capture_output=True, timeout=60
    )
    return f'name "{device}"' in asked.stdout


def has_program(name: str) -> bool:
    """Say whether `name` is on PATH, or where programs for root are."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def install(needs: list[Need]) -> None:
    """Install Debian packages; `apt-get update` comes first, as a fresh machine has no lists."""
    suites = {need.suite for need in needs}
    for suite in suites:
        if suite is not None:
            debian_sources.add_suite(suite)
    _run("apt-get", "-qq", "update")
    for suite in suites:
        packages = [need.package for need in needs if need.suite == suite]
        print(f"installing {', '.join(packages)}", flush=True)
        options = ["--target-release", suite] if suite else []
        _run("apt-get", "-qq", "-y", "--no-install-recommends", *options, "install", *packages)


def _run(*command: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")


def unmet(needs: Iterable[Need]) -> list[Need]:
    """What is missing here."""
    return [need for need in needs if not need.is_met()]


def ensure(needs: Iterable[Need]) -> list[Need]:
    """Install what is missing, where that is possible; return what is missing in the end."""
    missing = unmet(needs)
    if missing and os.geteuid() == 0 and has_program("apt-get"):
        install(missing)
        missing = unmet(missing)
    return missing


def told(missing: list[Need]) -> str:
    """Say what is missing and how to get it."""
    lines = [f"  {need.package:<26} {need.reason}" for need in missing]
    commands = []
    for suite in {need.suite for need in missing}:
        option = f" -t {suite}" if suite else ""
        packages = " ".join(need.package for need in missing if need.suite == suite)
        commands.append(f"  apt-get install --no-install-recommends{option} {packages}")
    heading = "Debian packages are needed that are not installed:"
    return "\n".join([heading, *lines, "Run as root:", *commands])


def main() -> None:
    """Install or name what is missing; exit 0 only if nothing is missing in the end."""
    if missing := ensure(NEEDS):
        sys.exit(told(missing))


if __name__ == "__main__":
    main()
