"""The certificate that the service shows, and another one in its place without a restart."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from trunkline.domain.clock import Clock
from trunkline.domain.errors import ErrorKind, TrunklineError

EXPIRY_WARNED_SECONDS: Final = 14 * 86_400
_FILE_BYTES_MAX: Final = 1024 * 1024
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for.
_WHENEVER: Final = 0x200000

log: Final = structlog.get_logger("trunkline.tls")


class UnusableCertificate(TrunklineError):
    """A certificate or its key can't be used for serving."""

    code = "config.unusable_certificate"
    kind = ErrorKind.INVALID

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")
        self.file = file


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificate (with what leads to a root, below it) and key are, in PEM."""

    certificate: Path
    key: Path

    def read(self) -> ssl.SSLContext:
        """Return a context that serves with them.

        Raises:
            UnusableCertificate: One is missing, unreadable, for everybody to read, not what it
                should be, or not the other's.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        self.put_into(context)
        return context

    def put_into(self, context: ssl.SSLContext) -> None:
        """Have `context` show them from the next connection on; raises as `read` does."""
        _require_pem(self.certificate, "CERTIFICATE", "a certificate")
        _require_pem(self.key, "PRIVATE KEY", "a private key")
        if stat.S_IMODE(self.key.stat().st_mode) & stat.S_IROTH:
            raise UnusableCertificate(
                self.key, f"everybody can read the key; do `chmod o-r {self.key}`"
            )
        try:
            context.load_cert_chain(self.certificate, self.key, password=_refuse_passwords)
        except _KeyIsLocked:
            raise UnusableCertificate(
                self.key,
                "the key is encrypted, and nobody is there to give a password; store it without: "
                f"`openssl pkey -in {self.key} -out FILE`",
            ) from None
        except ssl.SSLError as problem:
            if problem.reason == "KEY_VALUES_MISMATCH":
                raise UnusableCertificate(
                    self.key, f"it is not the key of the certificate in {self.certificate}"
                ) from problem
            raise UnusableCertificate(
                self.certificate,
                f"OpenSSL can't use it with the key in {self.key}: {problem.reason or problem}",
            ) from problem

    def stamp(self) -> tuple[object, ...]:
        """Return what changes when one of them is written or exchanged."""
        return tuple(_stamps(self.certificate, self.key))


class ServedCertificate:
    """What is served with now. Used by one thread, that of the event loop, once it runs."""

    def __init__(self, files: CertificateFiles, clock: Clock) -> None:
        """Read the files; raises as `CertificateFiles.read` does."""
        self._files = files
        self._clock = clock
        self._stamp = files.stamp()
        self.context = files.read()
        self._shown = shown_by(self.context, files)
        self._warn()

    @property
    def trust_file(self) -> Path | None:
        """The file by which clients can trust it; None if somebody else signed it."""
        own = self._shown["issuer"] == self._shown["subject"]
        return self._files.certificate.absolute() if own else None

    def reload_if_changed(self) -> None:
        """Serve with what the files hold now; if that can't be used, go on with what there is.

        Connections that are open keep what they were begun with.
        """
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp  # What is unusable is told once; the file that mends it is a change.
        try:
            fresh = self._files.read()
            self._shown = shown_by(fresh, self._files)
            self._files.put_into(self.context)
        except UnusableCertificate as problem:
            log.error("certificate not reloaded", problem=str(problem))
            return
        log.info(
            "certificate reloaded",
            file=str(self._files.certificate),
            expires=self._shown["notAfter"],
        )
        self._warn()

    def _warn(self) -> None:
        now = self._clock.now().timestamp()
        end = ssl.cert_time_to_seconds(self._shown["notAfter"])
        facts = {"file": str(self._files.certificate), "expires": self._shown["notAfter"]}
        if end <= now:
            log.warning("certificate has expired: clients refuse it", **facts)
        elif ssl.cert_time_to_seconds(self._shown["notBefore"]) > now:
            log.warning(
                "certificate is not valid yet: clients refuse it",
                begins=self._shown["notBefore"],
                **facts,
            )
        elif end - now < EXPIRY_WARNED_SECONDS:
            log.warning("certificate expires soon", **facts)


def shown_by(serving: ssl.SSLContext, files: CertificateFiles) -> dict[str, Any]:
    """Return the certificate that a client is shown, as `ssl.SSLSocket.getpeercert` words it.

    Python reads no certificate but one that a handshake has verified: so here is one, in memory,
    whose client trusts this very file, at any time.

    Raises:
        UnusableCertificate: The handshake fails.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_WHENEVER)
    try:
        trusting.load_verify_locations(files.certificate)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(to_client, to_server)
        server = serving.wrap_bio(to_server, to_client, server_side=True)
        waiting = [client, server]
        for _ in range(8):  # Turns; TLS takes two of each.
            for side in tuple(waiting):
                try:
                    side.do_handshake()
                    waiting.remove(side)
                except ssl.SSLWantReadError:
                    continue
        shown = client.getpeercert()
    except (ssl.SSLError, ValueError) as problem:
        raise UnusableCertificate(
            files.certificate, f"no client could connect by it: {problem}"
        ) from problem
    assert shown, "verified, so that it is told"
    return dict(shown)


class _KeyIsLocked(Exception):
    """OpenSSL asked for a password."""


def _refuse_passwords() -> str:
    raise _KeyIsLocked


def _require_pem(file: Path, label: str, what: str) -> None:
    try:
        with file.open("rb") as opened:
            content = opened.read(_FILE_BYTES_MAX)
    except OSError as problem:
        raise UnusableCertificate(file, f"it can't be read: {problem.strerror}") from problem
    if f"{label}-----\n".encode() not in content.replace(b"\r\n", b"\n"):
        raise UnusableCertificate(file, f"it holds not {what} in PEM (-----BEGIN … {label}-----)")


def _stamps(*files: Path) -> Iterator[object]:
    for file in files:
        try:
            found = file.stat()
            yield found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode
        except OSError as problem:
            yield problem.errno
