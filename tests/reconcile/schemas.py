"""libvirt's own RNG schemas, where Debian's packages put them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

SCHEMAS = Path("/usr/share/libvirt/schemas")
REMEDY = "apt-get install --no-install-recommends libvirt0"


@cache
def domain_schema() -> etree.RelaxNG:
    """The schema that virt-xml-validate uses for domains, through the same libxml2."""
    path = SCHEMAS / "domain.rng"
    if not path.exists():
        pytest.fail(f"{path} is missing. Install libvirt's schemas: {REMEDY}", pytrace=False)
    return etree.RelaxNG(etree.parse(path))


def assert_valid(xml: str) -> None:
    """Fail with libvirt's complaint unless `xml` is a valid domain."""
    schema = domain_schema()
    document = etree.fromstring(xml.encode())
    assert schema.validate(document), f"{schema.error_log}\n{xml}"
