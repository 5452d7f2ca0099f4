"""Trees like the kernel's sysfs, in a directory: recorded ones, and ones that are made up.

A recording is a text file, one line a node: ``link PATH TARGET``, ``file PATH CONTENT`` or
``unreadable PATH`` (a file whose reading fails, as `speed` does of a netdev that is down).
``python -m tests.support.sysfs_trees`` records the PCI network cards of the machine it runs on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

FILES = frozenset({
    "vendor", "device", "class", "numa_node", "sriov_totalvfs", "sriov_numvfs", "sriov_offset",
    "sriov_stride", "sriov_vf_device", "sriov_drivers_autoprobe", "ifindex", "carrier", "speed",
    "dev_port", "address",
})  # fmt: skip
LINKS = frozenset({"driver", "iommu_group", "physfn"})
NETWORK_CLASS = "0x02"


def record(sysfs: Path) -> list[str]:
    """Record what there is to know of the network controllers below `sysfs`."""
    lines = []
    for entry in sorted((sysfs / "bus/pci/devices").iterdir()):
        if not (entry / "class").read_text().startswith(NETWORK_CLASS):
            continue
        lines.append(f"link {entry.relative_to(sysfs)} {entry.readlink()}")
        device = entry.resolve()
        nodes = sorted(device.iterdir()) + sorted(device.glob("net/*/*"))
        for node in nodes:
            place = node.relative_to(sysfs)
            if node.is_symlink():
                if node.name in LINKS or node.name.startswith("virtfn"):
                    lines.append(f"link {place} {node.readlink()}")
            elif node.name in FILES:
                try:
                    lines.append(f"file {place} {node.read_text().strip()}")
                except OSError:
                    lines.append(f"unreadable {place}")
    return lines


def replay(recording: str, root: Path) -> Path:
    """Make a tree from a recording; return where it is."""
    for line in recording.splitlines():
        what, place, *rest = line.split(" ", 2)
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if what == "link":
            path.symlink_to(rest[0])
        elif what == "file":
            path.write_text(rest[0] + "\n")
        elif what == "unreadable":
            continue  # No file of a test can answer EINVAL; one that is missing is taken alike.
        else:
            raise ValueError(line)
    return root


@dataclass(frozen=True)
class Tree:
    """A tree that is made up, function by function, as the kernel lays it out."""

    root: Path

    def device(self, address: str) -> Path:
        return self.root / f"devices/pci{address[:7]}/{address}"

    def add(
        self,
        address: str,
        *,
        vendor: str = "0x8086",
        product: str = "0x10ca",
        class_code: str = "0x020000",
        numa_node: str = "-1",
        driver: str | None = None,
        iommu_group: int | None = None,
        netdevs: dict[str, dict[str, str]] | None = None,
    ) -> Path:
        device = self.device(address)
        device.mkdir(parents=True)
        for name, text in (
            ("vendor", vendor), ("device", product), ("class", class_code), ("numa_node", numa_node)
        ):  # fmt: skip
            (device / name).write_text(text + "\n")
        if driver is not None:
            self.bind(address, driver)
        if iommu_group is not None:
            (device / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{iommu_group}")
        for ifname, files in (netdevs or {}).items():
            self.add_netdev(address, ifname, **files)
        link = self.root / f"bus/pci/devices/{address}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../devices/pci{address[:7]}/{address}")
        return device

    def bind(self, address: str, driver: str | None) -> None:
        link = self.device(address) / "driver"
        link.unlink(missing_ok=True)
        if driver is not None:
            (self.root / f"bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../../bus/pci/drivers/{driver}")

    def add_netdev(self, address: str, ifname: str, **files: str) -> None:
        netdev = self.device(address) / "net" / ifname
        netdev.mkdir(parents=True)
        for name, text in files.items():
            (netdev / name).write_text(text + "\n")

    def make_pf(self, address: str, *, vfs_max: int = 7) -> None:
        for name, number in (("totalvfs", vfs_max), ("numvfs", 0), ("drivers_autoprobe", 1)):
            (self.device(address) / f"sriov_{name}").write_text(f"{number}\n")

    def make_vf(self, address: str, *, of: str, index: int) -> None:
        (self.device(of) / f"virtfn{index}").symlink_to(f"../{address}")
        (self.device(address) / "physfn").symlink_to(f"../{of}")
        count = len(list(self.device(of).glob("virtfn*")))
        (self.device(of) / "sriov_numvfs").write_text(f"{count}\n")

    def remove(self, address: str) -> None:
        for node in sorted(self.device(address).rglob("*"), reverse=True):
            node.rmdir() if node.is_dir() and not node.is_symlink() else node.unlink()
        self.device(address).rmdir()
        (self.root / f"bus/pci/devices/{address}").unlink()
        for link in (self.root / "devices").rglob("virtfn*"):
            if link.readlink().name == address:
                link.unlink()


def big_tree(root: Path, *, pfs: int = 4, vfs: int = 64, others: int = 100) -> Tree:
    """A server with `pfs` cards of `vfs` VFs each, every VF with a netdev, and what else it has."""
    tree = Tree(root)
    for number in range(others):
        tree.add(f"0000:00:{number // 8:02x}.{number % 8}", class_code="0x088000", driver="dummy")
    for pf in range(pfs):
        bus = f"{0x41 + 0x20 * pf:02x}"
        address = f"0000:{bus}:00.0"
        port = {"ifindex": str(pf + 2), "carrier": "1", "speed": "25000"}
        tree.add(address, driver="ice", iommu_group=pf, netdevs={f"eth{pf}": port})
        tree.make_pf(address, vfs_max=128)
        for index in range(vfs):
            vf = f"0000:{bus}:{1 + index // 8:02x}.{index % 8}"
            tree.add(
                vf, driver="iavf", iommu_group=1000 * (pf + 1) + index,
                netdevs={f"eth{pf}v{index}": {"ifindex": str(100 + 100 * pf + index)}},
            )  # fmt: skip
            tree.make_vf(vf, of=address, index=index)
    return tree


if __name__ == "__main__":
    sys.stdout.write("\n".join(record(Path("/sys"))) + "\n")
