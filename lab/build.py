"""Build the lab host's root file system: as root on Debian, once for each recipe, some 70 s."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import recipe
from lab.processes import ending_whole
from tools import debian_sources

BUILD_SECONDS_MAX = 900


class BuildFailed(Exception):
    """The image can't be built, as a program that is to do it says, or what an older one left."""


@dataclass(frozen=True)
class Root:
    """What a build leaves in the cache."""

    directory: Path

    @property
    def image(self) -> Path:
        """The root file system, erofs."""
        return self.directory / "root.erofs"

    @property
    def kernel(self) -> Path:
        """The kernel, as an ELF file: an emulated machine takes seconds to decompress it."""
        return self.directory / "vmlinux"

    @property
    def compressed_kernel(self) -> Path:
        """The same as Debian ships it, for what boots from a disk."""
        return self.directory / "vmlinuz"

    @property
    def busybox(self) -> bytes:
        """The program of both initial RAM file systems."""
        return (self.directory / "busybox").read_bytes()

    @property
    def modules(self) -> Path:
        """Where kernel modules are, flat."""
        return self.directory / "modules"

    @property
    def boot_loader(self) -> Path:
        """The files of the boot loader of guests' disks."""
        return self.directory / "boot"

    def module_order(self, names: Iterable[str]) -> list[str]:
        """File names of modules and of what they depend on, in the order to load them."""
        dependencies = (self.directory / "modules.dep").read_text()
        return [path.name for path in load_order(dependencies, names)]


def ensure_root() -> Root:
    """Return the root file system of today's recipe; build it where the cache has none.

    Raises:
        BuildFailed: It is not there, and why.
    """
    return Root(kept("root", recipe.root_digest(), _build))


def kept(name: str, digest: str, make: Callable[[Path], None]) -> Path:
    """Return a directory of the cache; `make` it if there is none of this digest.

    Those of the same name and another digest are deleted.

    Raises:
        BuildFailed: It is not there, and why.
    """
    home = recipe.CACHE / f"{name}-{digest}"
    if not home.exists():
        print(f"building the lab's {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        unfinished = home.with_suffix(".unfinished")
        remove(unfinished)
        home.parent.mkdir(parents=True, exist_ok=True)
        make(unfinished)
        unfinished.rename(home)
        for old in home.parent.glob(f"{name}-*"):
            if old != home:
                remove(old)
        print(f"built in {time.monotonic() - began:.0f} s: {home}", file=sys.stderr, flush=True)
    return home


def _build(home: Path) -> None:
    home.mkdir()
    tree = home / "tree"
    _bootstrap(tree)
    unpacked = home / "packages"
    for package in (tree / "packages").glob("*.deb"):
        run("dpkg-deb", "-x", package, unpacked)
    shutil.rmtree(tree / "packages")
    version = _take_kernel(unpacked, tree, home)
    _take_boot_loader(unpacked, home)
    shutil.rmtree(unpacked)
    for name in recipe.LEFT_OUT:
        remove(tree / name)
    for mount_point in (recipe.DEPENDENCIES, recipe.PROJECT):
        (tree / mount_point.lstrip("/")).mkdir()
    (tree / "etc/hosts").write_text("127.0.0.1 localhost labhost\n")
    (tree / "etc/hostname").write_text("labhost\n")
    run("chroot", tree, "depmod", version)
    run(
        *("chroot", tree, "python3", "-m", "compileall", "-q", "-f"),
        *("--invalidation-mode", "unchecked-hash", "/usr/lib/python3", "/usr/lib/python3.11"),
    )
    shutil.copy(tree / "usr/bin/busybox", home / "busybox")
    run("mkfs.erofs", "--quiet", "-T0", home / "root.erofs", tree)
    shutil.rmtree(tree)


def _bootstrap(tree: Path) -> None:
    # In the environment of the new system's apt, which knows this suite whatever ours knows.
    hook = f"""
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; mkdir "$1/packages"; cd "$1/packages"
        image=$(apt-cache depends {recipe.KERNEL} | sed -n 's/.*Depends: \\(linux-image-\\)/\\1/p')
        apt-get -qq download "$image" {" ".join(recipe.BOOT_LOADER_PACKAGES)}
    """
    left_out = [name for name in recipe.LEFT_OUT if "share" in name]
    bootstrap(tree, recipe.PACKAGES, left_out, f"--customize-hook={hook}")


def bootstrap(tree: Path, packages: Iterable[str], left_out: Iterable[str], *options: str) -> None:
    """Make a tree of the recipe's suite with these packages, but without some directories."""
    sources = debian_sources.one_line_sources(debian_sources.of_this_machine(), recipe.SUITE)
    run(
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=apt"),
        *("--aptopt=APT::Install-Recommends false", f"--include={','.join(packages)}"),
        *(f"--dpkgopt=path-exclude=/{name}/*" for name in left_out),
        *(*options, recipe.SUITE, tree, "-"),
        given="\n".join(sources) + "\n",
    )


def _take_boot_loader(unpacked: Path, home: Path) -> None:
    (home / "boot").mkdir()
    for name in recipe.BOOT_LOADER:
        shutil.copy(unpacked / name, home / "boot")


def _take_kernel(unpacked: Path, tree: Path, home: Path) -> str:
    """Put the modules of the recipe into the tree, and what boots beside it; return the version."""
    [every] = (unpacked / "lib/modules").iterdir()
    version = every.name
    shutil.copy(unpacked / f"boot/vmlinuz-{version}", home / "vmlinuz")
    (home / "vmlinux").write_bytes(uncompressed_kernel((home / "vmlinuz").read_bytes()))
    # depmod wants the tree below a root of its own.
    run("depmod", "-b", unpacked, version)
    shutil.copy(every / "modules.dep", home / "modules.dep")
    kept = tree / "lib/modules" / version
    kept.mkdir(parents=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(every / name, kept)
    flat = home / "modules"
    flat.mkdir()
    dependencies = (home / "modules.dep").read_text()
    for path in load_order(dependencies, recipe.MODULES):
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(every / path, kept / path)
    early = (
        *recipe.MODULES_OF_INITRAMFS, *recipe.MODULES_OF_NESTED_GUEST, *recipe.MODULES_OF_GUEST,
    )  # fmt: skip
    for path in load_order(dependencies, early):
        shutil.copy(every / path, flat)
    return version


def load_order(modules_dep: str, names: Iterable[str]) -> Iterator[Path]:
    """Files of modules and of what they depend on, each once, what is depended on first.

    Args:
        modules_dep: The text of the file of that name, as depmod(8) writes it.
        names: As modprobe(8) takes them; what is built in is left out.
    """
    needs: dict[str, tuple[Path, list[str]]] = {}
    for line in modules_dep.splitlines():
        name, _, depends = line.partition(":")
        needs[_module_name(name)] = (Path(name), depends.split())
    seen: set[Path] = set()
    for name in names:
        module, first = needs.get(name.replace("-", "_"), (None, []))
        # depmod puts what must be loaded first last.
        for path in [*map(Path, reversed(first)), *filter(None, [module])]:
            if path not in seen:
                seen.add(path)
                yield path


def _module_name(path: str) -> str:
    return Path(path).name.removesuffix(".ko").replace("-", "_")


def uncompressed_kernel(image: bytes) -> bytes:
    """Return the ELF file inside a bzImage.

    Raises:
        BuildFailed: There is none that was compressed with xz.
    """
    at = -1
    while (at := image.find(b"\xfd7zXZ\0", at + 1)) >= 0:
        try:
            found = lzma.LZMADecompressor().decompress(image[at:])
        except lzma.LZMAError:
            continue
        if found.startswith(b"\x7fELF"):
            return found
    raise BuildFailed("the kernel holds no ELF file that was compressed with xz")


def remove(path: Path) -> None:
    """Delete a file or a tree, if there is one; never what is mounted in it."""
    if mounts := _mounts_below(path):
        raise BuildFailed(
            f"{path} is not deleted, since something is mounted in it, maybe by a build that was"
            f" killed: umount {' '.join(reversed(mounts))}"
        )
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mounts_below(path: Path) -> list[str]:
    """Where something is mounted below a path; what is below another mount comes after it.

    Source: proc_pid_mountinfo(5), which writes blanks and the like as three octal digits.
    """
    told = Path("/proc/self/mountinfo").read_text().splitlines()
    points = (
        re.sub(r"\\(\d{3})", lambda digits: chr(int(digits[1], 8)), line.split()[4])
        for line in told
    )
    return [point for point in points if point.startswith(f"{path}/")]


def run(*command: object, given: str | None = None) -> None:
    """Run a program that ends with us, and what it starts and mounts with it.

    Raises:
        BuildFailed: Its status was not 0; the text has what it said.
    """
    words = ending_whole([str(word) for word in command])
    try:
        subprocess.run(
            words, check=True, text=True, input=given, timeout=BUILD_SECONDS_MAX,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise BuildFailed(f"{' '.join(map(str, command))} failed:\n{error.stdout}") from error
