"""Make sure of the programs and data that the tests need and that PyPI does not have.

As root on Debian or Ubuntu they are installed; anybody else is told what to install, and why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Need:
    """A Debian package, what it is for, and how to see that what it brings is there already."""

    package: str
    reason: str
    is_met: Callable[[], bool]


NEEDS = (
    Need(
        "postgresql",
        "the store's tests run on PostgreSQL as well; they start a cluster of their own",
        lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or has_program("initdb"),
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
    Need("qemu-utils", "qemu-img, which makes their disks", lambda: has_program("qemu-img")),
)


def has_program(name: str) -> bool:
    """Say whether `name` is on PATH, or where programs for root are."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def install(packages: list[str]) -> None:
    """Install Debian packages; `apt-get update` comes first, as a fresh machine has no lists."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    print(f"installing {', '.join(packages)}", flush=True)
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *packages],
    ):
        done = subprocess.run(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")


def main() -> None:
    """Install or name what is missing; exit 0 only if nothing is missing in the end."""
    missing = [need for need in NEEDS if not need.is_met()]
    if missing and os.geteuid() == 0 and has_program("apt-get"):
        install([need.package for need in missing])
        missing = [need for need in missing if not need.is_met()]
    if missing:
        lines = [f"  {need.package:<26} {need.reason}" for need in missing]
        packages = " ".join(need.package for need in missing)
        sys.exit(
            "The tests need Debian packages that are not installed:\n"
            + "\n".join(lines)
            + f"\nRun as root: apt-get install --no-install-recommends {packages}"
        )


if __name__ == "__main__":
    main()
