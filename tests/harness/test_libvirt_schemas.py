"""libvirt's schemas are the real ones, and refuse what libvirt refuses."""

from __future__ import annotations

from tests.support.libvirt_schemas import LibvirtSchema

DOMAIN = """\
<domain type='kvm'>
  <name>web</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <interface type='hostdev' managed='yes'>
      <source><address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source>
      <mac address='52:54:00:12:34:56'/>
      <vlan><tag id='{vlan}'/></vlan>
    </interface>
  </devices>
</domain>
"""


def test_a_domain_with_a_vf_is_valid(libvirt_domain_schema: LibvirtSchema) -> None:
    libvirt_domain_schema.check(DOMAIN.format(vlan=100))


def test_a_vlan_beyond_4095_is_refused(libvirt_domain_schema: LibvirtSchema) -> None:
    assert libvirt_domain_schema.faults(DOMAIN.format(vlan=4096))


def test_an_unknown_element_is_refused(libvirt_domain_schema: LibvirtSchema) -> None:
    assert libvirt_domain_schema.faults(DOMAIN.format(vlan=1).replace("mac ", "maac "))
