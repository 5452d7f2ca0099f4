"""Making a small ISO 9660 image of files, by xorriso: argument lists, no shell."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trunkline.reconcile.interfaces import HostRefused

SECONDS_MAX: Final = 60.0


def make(path: Path, label: str, files: Mapping[str, bytes]) -> None:
    """Write an image with these files; guests find long names by Joliet or Rock Ridge.

    Raises:
        HostRefused: xorriso is missing, or failed.
    """
    operation = f"xorriso -as mkisofs -o {path.name}"
    program = shutil.which("xorriso")
    if program is None:
        raise HostRefused(operation, "xorriso is not installed: `apt-get install xorriso`")
    with tempfile.TemporaryDirectory(prefix="trunkline-") as name:
        tree = Path(name)
        for inner, content in files.items():
            file = tree / inner
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        try:
            done = subprocess.run(  # noqa: S603 - a list of arguments, of which none is a program
                [program, "-as", "mkisofs", "-quiet", "-R", "-J", "-V", label, "-o", path, tree],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problem = f"did not end within {SECONDS_MAX:g} s"
            raise HostRefused(operation, problem, transient=True) from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[-500:]
        raise HostRefused(operation, said or f"it ended with status {done.returncode}")
