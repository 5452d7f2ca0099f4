"""The options that give a service its certificate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trunkline.bootstrap.tls import CertificateFiles


def takes_certificate(also: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--tls-cert` and `--tls-key`; it gets `certificate_files`, or None.

    Args:
        also: What else is to be said of the first.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--tls-cert",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Answer by HTTPS, with this certificate (PEM), and below it those that lead to a "
            f"root. {also}.",
        )
        @click.option(
            "--tls-key",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Its key (PEM), not encrypted. Files that change are read again.",
        )
        @functools.wraps(command)
        def run(*args: Any, tls_cert: Path | None, tls_key: Path | None, **options: Any) -> None:
            if (tls_cert is None) is not (tls_key is None):
                raise click.UsageError("--tls-cert and --tls-key are given both or not at all")
            files = None
            if tls_cert is not None and tls_key is not None:
                files = CertificateFiles(tls_cert, tls_key)
            command(*args, certificate_files=files, **options)

        return run

    return decorate
