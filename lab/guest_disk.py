"""A disk that guests of an agent boot from: the lab's kernel, and a system that fits in memory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab import cpio, recipe
from lab.build import BuildFailed, Root

BUILD_SECONDS_MAX = 600
# HPET and the timers' tests are left out because each of their reads leaves the guest.
CONFIGURATION = """
default linux
prompt 0
label linux
kernel /vmlinuz
append initrd=/initramfs console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable \
no_timer_check hpet=disable nokaslr net.ifnames=0 rcupdate.rcu_expedited=1 \
init_on_alloc=0 nowatchdog
"""


def make_disk(root: Root, image: Path) -> None:
    """Write a raw disk image that a BIOS boots; `lab/guest/server-init` is what runs then.

    Raises:
        BuildFailed: xorriso failed.
    """
    tree = image.with_suffix(".tree")
    shutil.copytree(root.boot_loader, tree)
    shutil.copy(root.compressed_kernel, tree / "vmlinuz")
    (tree / "initramfs").write_bytes(initramfs(root))
    (tree / "isolinux.cfg").write_text(CONFIGURATION)
    done = subprocess.run(
        [
            *("xorriso", "-as", "mkisofs", "-quiet", "-o", image),
            *("-isohybrid-mbr", root.boot_loader / "isohdpfx.bin"),
            *("-b", "isolinux.bin", "-c", "catalog", "-no-emul-boot"),
            *("-boot-load-size", "4", "-boot-info-table", tree),
        ],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BUILD_SECONDS_MAX,
    )  # fmt: skip
    shutil.rmtree(tree)
    if done.returncode != 0:
        raise BuildFailed(f"xorriso failed:\n{done.stdout}")


def initramfs(root: Root) -> bytes:
    """The whole system of a guest."""
    files = {
        "bin/busybox": root.busybox,
        "init": (recipe.GUEST / "server-init").read_bytes(),
        **cpio.modules_in_order(root.modules, root.module_order(recipe.MODULES_OF_GUEST)),
    }
    return cpio.archive(("bin", "config", "dev", "modules", "proc", "sys", "tmp"), files)
