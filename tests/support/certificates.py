"""Certificates of a CA of the tests' own."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import trustme

from tests.support.patience import HANGS_SECONDS
from trunkline.bootstrap.tls import CertificateFiles


class Authority:
    """Signs certificates; `file` is what those who are to trust them are given."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(
        self,
        name: str = "127.0.0.1",
        *,
        into: str = "tls",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> CertificateFiles:
        """Write a certificate for `name`, and its key, over those that are there."""
        made = self._ca.issue_cert(name, not_before=not_before, not_after=not_after)
        files = CertificateFiles(self._directory / f"{into}.crt", self._directory / f"{into}.key")
        files.key.touch(mode=0o600)
        made.private_key_pem.write_to_path(str(files.key))
        files.certificate.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        return files


def self_signed(directory: Path) -> CertificateFiles:
    """Write a certificate for 127.0.0.1 that signs itself, as `openssl req -x509` makes it."""
    files = CertificateFiles(directory / "own.crt", directory / "own.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(files.key), "-out", str(files.certificate)],
        check=True, capture_output=True, timeout=HANGS_SECONDS,
    )  # fmt: skip
    files.key.chmod(0o600)
    return files
