"""The directory of image bytes: one for all replicas over one database."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import structlog

from trunkline.bootstrap.directory import DirectoryUnusable
from trunkline.control.image_files import ImageFiles
from trunkline.control.image_transfer import clear_up_images
from trunkline.control.services import Services

log = structlog.get_logger()

_WHAT: Final = "directory of images"


def require_usable_images_dir(path: Path) -> None:
    """Make the directory if it is not there; see that files can be written and locked in it.

    Raises:
        DirectoryUnusable: They can't.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with ImageFiles(path).exclusive(), tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"written")
            probe.flush()
    except OSError as problem:
        raise DirectoryUnusable(
            path,
            f"{problem.strerror}; mend its permissions (and, of a shared filesystem, that it takes "
            "locks), or set images_dir of controller.toml to another",
            what=_WHAT,
        ) from problem


def begin_with_images(svc: Services, *, named: bool) -> None:
    """Clear up what a crash left of uploads; see that replicas share one directory.

    Args:
        svc: The services.
        named: The configuration says where the images are; else it is a place of this process.

    Raises:
        DirectoryUnusable: It is named, and is not where this database has its images.
    """
    is_the_one = clear_up_images(svc)
    if not is_the_one and named:
        raise DirectoryUnusable(
            svc.images_dir,
            "the images of this database are in another directory (perhaps the shared filesystem "
            "is not mounted here); mount that, or copy all that is in it to here, `id` included",
            what=_WHAT,
        )
    if not is_the_one:
        log.warning(
            "the images of this database are in another directory: set images_dir in "
            "controller.toml to that of all replicas",
            images_dir=str(svc.images_dir),
        )
    elif svc.store.dialect != "sqlite" and not named:
        log.warning(
            "other replicas over this database could not send these images: set images_dir in "
            "controller.toml to a directory that all share",
            images_dir=str(svc.images_dir),
        )
