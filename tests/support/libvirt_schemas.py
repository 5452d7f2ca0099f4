"""libvirt's own RNG schemas: domain XML is checked by what libvirt checks it with.

virt-xml-validate hands the same files to the same library (libxml2's RELAX NG, which lxml wraps).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

SCHEMA_FOLDER = Path("/usr/share/libvirt/schemas")  # Debian: package libvirt0.


class LibvirtSchema:
    """One of libvirt's schemas: `domain`, `network`…"""

    def __init__(self, name: str) -> None:
        path = SCHEMA_FOLDER / f"{name}.rng"
        assert path.exists(), (
            f"{path} is missing. `make test` installs it as root; "
            "else run as root: apt-get install --no-install-recommends libvirt0"
        )
        self._rng = etree.RelaxNG(etree.parse(str(path)))

    def faults(self, xml: str | bytes) -> list[str]:
        """Return what the validator finds wrong, each with its line; nothing when it is valid."""
        document = etree.fromstring(xml)
        if self._rng.validate(document):
            return []
        return [f"line {error.line}: {error.message}" for error in self._rng.error_log]

    def check(self, xml: str | bytes) -> None:
        """Fail unless the XML is valid; the message has the faults and the XML."""
        faults = self.faults(xml)
        assert not faults, "\n".join([*faults, str(xml)])


@pytest.fixture(scope="session")
def libvirt_domain_schema() -> LibvirtSchema:
    """The schema of `<domain>` documents."""
    return LibvirtSchema("domain")


@pytest.fixture(scope="session")
def libvirt_network_schema() -> LibvirtSchema:
    """The schema of `<network>` documents."""
    return LibvirtSchema("network")
