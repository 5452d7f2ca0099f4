"""The other two images of the lab host: Python packages, and the project as it is now.

They are erofs because imports over 9p take seconds each.
"""

from __future__ import annotations

import compileall
import shutil
import subprocess
import sys
from pathlib import Path

from lab import cpio, recipe
from lab.build import Root

DIRECTORIES = ("src", "tests", "lab", "tools")
BUILD_SECONDS_MAX = 600


class ContentFailed(Exception):
    """A program that makes an image failed."""


def ensure_dependencies() -> Path:
    """Return the image of the packages that uv.lock names; built again when that changes."""
    lock = recipe.REPOSITORY / "uv.lock"
    image = recipe.CACHE / f"dependencies-{recipe.digest(lock.read_text(), recipe.PYTHON)}.erofs"
    if not image.exists():
        print("installing the lab host's Python packages", file=sys.stderr, flush=True)
        tree = recipe.CACHE / "dependencies.unfinished"
        shutil.rmtree(tree, ignore_errors=True)
        _install_packages(tree)
        _compile(tree)
        _make_image(tree, image)
        shutil.rmtree(tree)
        for old in recipe.CACHE.glob("dependencies-*.erofs"):
            if old != image:
                old.unlink()
    return image


def _install_packages(tree: Path) -> None:
    uv = recipe.REPOSITORY / "tools/uv"
    wanted = _run(
        *(uv, "export", "--quiet", "--locked", "--no-emit-project", "--no-hashes"),
        *("--no-default-groups", "--group", "lab", "--extra", "postgresql"),
    )
    (recipe.CACHE / "dependencies.txt").write_text(wanted)
    version = ".".join(map(str, recipe.PYTHON))
    _run(
        *(uv, "pip", "install", "--quiet", "--target", tree, "--python-version", version),
        *("--only-binary", ":all:", "--requirements", recipe.CACHE / "dependencies.txt"),
    )
    # The project itself lies beside, as sources. This is what says which plug-ins it brings.
    _run(uv, "pip", "install", "--quiet", "--target", tree, "--no-deps", recipe.REPOSITORY)
    shutil.rmtree(tree / "trunkline")


def make_project_image(directory: Path) -> Path:
    """Make the image of the project's sources of today.

    What has not changed since the last time is not compiled again.
    """
    tree = recipe.CACHE / "project"
    for name in DIRECTORIES:
        _mirror(recipe.REPOSITORY / name, tree / name)
    shutil.copy2(recipe.REPOSITORY / "pyproject.toml", tree)
    _compile(tree)
    image = directory / "project.erofs"
    _make_image(tree, image)
    return image


def _mirror(source: Path, target: Path) -> None:
    """Make one tree like the other, but for bytecode; files keep their times."""
    target.mkdir(parents=True, exist_ok=True)
    kept = {"__pycache__"}
    for path in source.iterdir():
        if path.name in kept:
            continue
        kept.add(path.name)
        twin = target / path.name
        if path.is_dir():
            _mirror(path, twin)
        elif not twin.exists() or _identity(twin) != _identity(path):
            shutil.copy2(path, twin)
    for stranger in target.iterdir():
        if stranger.name not in kept:
            shutil.rmtree(stranger) if stranger.is_dir() else stranger.unlink()


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_mode


def _compile(tree: Path) -> None:
    """Compile for the lab host's Python; where ours is another, it reads the sources itself."""
    if sys.version_info[:2] == recipe.PYTHON:
        compileall.compile_dir(tree, quiet=2, workers=2)


def _make_image(tree: Path, image: Path) -> None:
    unfinished = image.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    # Bytecode is taken for good where the times of the sources are those it was made of.
    _run("mkfs.erofs", "--quiet", "-Eforce-inode-extended", unfinished, tree)
    unfinished.rename(image)


def initramfs(root: Root) -> bytes:
    """The initial RAM file system with which the lab host boots."""
    init = recipe.GUEST / "initramfs-init"
    files = {"bin/busybox": root.busybox, "init": init.read_bytes()}
    order = root.module_order(recipe.MODULES_OF_INITRAMFS)
    files |= cpio.modules_in_order(root.modules, order)
    directories = ("bin", "dev", "lower", "memory", "modules", "proc", "sys", "tmp", "union")
    return cpio.archive(directories, files)


def _run(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=recipe.REPOSITORY, text=True, capture_output=True, timeout=BUILD_SECONDS_MAX
    )
    if done.returncode != 0:
        raise ContentFailed(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
