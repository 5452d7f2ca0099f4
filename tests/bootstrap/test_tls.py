"""HTTPS: certificates that can't be used are told by file and fault; others serve at once."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.certificates import Authority, self_signed
from tests.support.clock import ManualClock
from tests.support.http_app import a_site, served
from tests.support.patience import HANGS_SECONDS
from trunkline.bootstrap.real import RealClock
from trunkline.bootstrap.tls import CertificateFiles, ServedCertificate, UnusableCertificate
from trunkline.client.connection import Connection
from trunkline.client.errors import Unreachable


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def encrypt(files: CertificateFiles, authority: Authority) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


def exchange_key(files: CertificateFiles, authority: Authority) -> None:
    files.key.write_bytes(authority.issue(into="other").key.read_bytes())


@pytest.mark.parametrize(
    ("spoil", "file", "told"),
    [
        (lambda files, _: files.certificate.unlink(), "tls.crt", "No such file or directory"),
        (lambda files, _: files.key.unlink(), "tls.key", "No such file or directory"),
        (
            lambda files, _: (files.key.unlink(), files.key.mkdir()),
            "tls.key",
            "Is a directory",
        ),
        (lambda files, _: files.certificate.write_text("hello"), "tls.crt", "not a certificate"),
        (lambda files, _: files.key.write_text(""), "tls.key", "not a private key"),
        (
            lambda files, _: files.certificate.write_text(
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            ),
            "tls.crt",
            "OpenSSL can't use it",
        ),
        (exchange_key, "tls.key", "not the key of the certificate in"),
        (encrypt, "tls.key", "encrypted, and nobody is there to give a password"),
        (lambda files, _: files.key.chmod(0o644), "tls.key", "everybody can read the key"),
    ],
)
def test_what_can_not_be_served_with_is_refused_by_file_and_fault(
    authority: Authority,
    spoil: Callable[[CertificateFiles, Authority], object],
    file: str,
    told: str,
) -> None:
    files = authority.issue()
    spoil(files, authority)
    with pytest.raises(UnusableCertificate, match=told) as refused:
        ServedCertificate(files, RealClock())
    assert refused.value.file.name == file
    assert file in str(refused.value)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (-1, "certificate is not valid yet: clients refuse it"),
        (0, None),
        (80, "certificate expires soon"),
        (100, "certificate has expired: clients refuse it"),
    ],
)
def test_what_clients_refuse_or_soon_will_is_told_when_it_is_read(
    authority: Authority, days: int, told: str | None
) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    files = authority.issue(not_before=begin, not_after=begin + timedelta(days=90))
    clock = ManualClock(begin + timedelta(days=days, seconds=1))
    with capture_logs() as logs:
        ServedCertificate(files, clock)
    assert [line["event"] for line in logs] == ([] if told is None else [told])
    assert all(line["expires"] == "May 30 00:00:00 2026 GMT" for line in logs)


def test_clients_are_told_to_trust_a_certificate_that_signs_itself(
    authority: Authority, tmp_path: Path
) -> None:
    assert ServedCertificate(authority.issue(), RealClock()).trust_file is None
    own = self_signed(tmp_path)
    assert ServedCertificate(own, RealClock()).trust_file == own.certificate


def test_a_renewed_certificate_is_shown_to_the_next_client_and_a_broken_one_is_not(
    authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue()
    certificate = ServedCertificate(files, RealClock())
    with (
        a_site(tmp_path) as site,
        served(site.app, certificate=certificate) as url,
        capture_logs() as logs,
        Connection(url, ca_file=str(authority.file)) as kept,
    ):
        assert kept.request("GET", "/healthz").status == 200
        first = shown(url, authority)
        authority.issue()
        certificate.reload_if_changed()
        second = shown(url, authority)
        assert second != first
        files.key.write_text("half of")
        certificate.reload_if_changed()
        certificate.reload_if_changed()
        assert shown(url, authority) == second
        assert kept.request("GET", "/healthz").status == 200, "begun with the first"
        authority.issue()
        certificate.reload_if_changed()
        assert shown(url, authority) not in (first, second)
    events = [line["event"] for line in logs if line["event"].startswith("certificate")]
    assert events == ["certificate reloaded", "certificate not reloaded", "certificate reloaded"]


def shown(url: str, authority: Authority) -> bytes | None:
    context = ssl.create_default_context(cafile=str(authority.file))
    host, port = url.removeprefix("https://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=HANGS_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.getpeercert(binary_form=True)


def test_clients_refuse_what_their_authority_did_not_sign_and_other_names(
    authority: Authority, tmp_path: Path
) -> None:
    with (
        a_site(tmp_path) as site,
        served(site.app, certificate=ServedCertificate(authority.issue(), RealClock())) as url,
    ):
        with Connection(url) as client, pytest.raises(Unreachable, match="not trusted"):
            client.request("GET", "/healthz")
        wrong = url.replace("127.0.0.1", "localhost")
        with (
            Connection(wrong, ca_file=str(authority.file)) as client,
            pytest.raises(Unreachable, match="Hostname mismatch"),
        ):
            client.request("GET", "/healthz")
        with Connection(wrong, verify=False) as client:
            assert client.request("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    ("highest", "is_served"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)]
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_is_1_2_at_least(
    authority: Authority, tmp_path: Path, highest: ssl.TLSVersion, *, is_served: bool
) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_ciphers("ALL:@SECLEVEL=0")  # Else it is the client that refuses.
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, highest
    with (
        a_site(tmp_path) as site,
        served(site.app, certificate=ServedCertificate(authority.issue(), RealClock())) as url,
    ):
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        with socket.create_connection(address, timeout=HANGS_SECONDS) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    assert secure.version() == "TLSv1.2"
                    assert secure.selected_alpn_protocol() is None
                    assert is_served
            except ssl.SSLError as refused:
                assert "protocol version" in str(refused).lower() or not is_served  # noqa: PT017
                assert not is_served
        with Connection(url, ca_file=str(authority.file)) as client:
            assert client.request("GET", "/healthz").status == 200, "and others are served on"


def test_plain_http_and_noise_at_a_tls_port_end_their_own_connection_only(
    authority: Authority, tmp_path: Path
) -> None:
    with (
        a_site(tmp_path) as site,
        served(site.app, certificate=ServedCertificate(authority.issue(), RealClock())) as url,
    ):
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for sent in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(500), b""):
            with socket.create_connection(address, timeout=HANGS_SECONDS) as plain:
                plain.sendall(sent)
                plain.shutdown(socket.SHUT_WR)
                try:
                    while plain.recv(65536):
                        pass
                except ConnectionError:
                    continue
        with Connection(url, ca_file=str(authority.file)) as client:
            assert client.request("GET", "/healthz").status == 200


def test_links_say_https_where_tls_ends_here(authority: Authority, tmp_path: Path) -> None:
    with (
        a_site(tmp_path) as site,
        served(site.app, certificate=ServedCertificate(authority.issue(), RealClock())) as url,
        Connection(url, ca_file=str(authority.file)) as client,
    ):
        assert f'"{url}/network/v2.0/"'.encode() in client.request("GET", "/network").body


@pytest.mark.parametrize(
    ("trusted", "links", "scheme"),
    [
        ((), "http", "X-Forwarded-Proto of whoever is not trusted is not looked at"),
        (("10.0.0.0/8",), "http", "nor of one elsewhere"),
        (("127.0.0.0/8",), "https", "a proxy's is"),
    ],
)
def test_links_say_https_where_tls_ends_at_a_proxy_that_is_trusted(
    tmp_path: Path, trusted: tuple[str, ...], links: str, scheme: str
) -> None:
    with (
        a_site(tmp_path) as site,
        served(site.app, trusted_proxies=trusted) as url,
        Connection(url) as client,
    ):
        sent = {"X-Forwarded-Proto": "https", "Host": "cloud.example"}
        body = client.request("GET", "/network", headers=sent).body
        assert f'"{links}://cloud.example/network/v2.0/"'.encode() in body, scheme
