"""What the lab host is made of: a plain Debian 12 with its stock kernel, libvirt and QEMU."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = REPOSITORY / ".cache" / "lab"
GUEST = Path(__file__).parent / "guest"

SUITE = "bookworm"
PYTHON = (3, 11)  # What that suite has; bytecode is compiled for it.
KERNEL = "linux-image-amd64"  # Depends on the image itself, whose name has the version in it.
# What guests' disks boot with, from packages of its own.
BOOT_LOADER_PACKAGES = ("isolinux", "syslinux-common")
BOOT_LOADER = (
    "usr/lib/ISOLINUX/isohdpfx.bin",
    "usr/lib/ISOLINUX/isolinux.bin",
    "usr/lib/syslinux/modules/bios/ldlinux.c32",
)

PACKAGES = (
    "busybox-static",
    "dnsmasq-base",
    "ethtool",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libvirt-clients",
    "libvirt-daemon-system",
    "mount",
    "pci.ids",
    "pciutils",
    "procps",
    "python3",
    "python3-libvirt",
    "qemu-system-x86",
    "qemu-utils",
    "udev",
    "xorriso",
)

# With all that they depend on. The whole tree of modules would be 300 MB.
MODULES = (
    *("igb", "igbvf", "virtio_net", "vfio-pci", "vfio_iommu_type1", "kvm_amd", "aer_inject"),
    *("8021q", "macvtap", "macvlan", "tun", "veth", "bridge", "dummy", "bonding", "vhost_net"),
    *("sch_ingress", "cls_flower", "act_mirred", "tcp_diag", "inet_diag"),
)
# erofs asks for a checksum by name, which depmod knows nothing of.
MODULES_OF_INITRAMFS = ("virtio_pci", "virtio_blk", "crc32c_generic", "erofs", "overlay")
MODULES_OF_NESTED_GUEST = ("virtio_pci", "igbvf", "virtio_net")
MODULES_OF_GUEST = (*MODULES_OF_NESTED_GUEST, "ahci", "sr_mod", "isofs", "pvpanic-mmio")

# udev would rename VFs in spite of net.ifnames=0; nothing of the rest is read in the lab.
LEFT_OUT = (
    "usr/lib/udev/rules.d/80-net-setup-link.rules",
    "etc/libvirt/qemu/networks/autostart",
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)

# Environment of all Python that runs inside, where the images below are mounted.
DEPENDENCIES, PROJECT = "/dependencies", "/project"


def digest(*parts: object) -> str:
    """Tell one content of these parts from another, in 16 hex digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def root_digest() -> str:
    """Name the root file system that this recipe gives."""
    sources = (Path(__file__), Path(__file__).with_name("build.py"))
    return digest(*(ast.dump(ast.parse(path.read_text())) for path in sources))
