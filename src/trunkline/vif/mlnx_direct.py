"""`mlnx_direct`: the vendor VIF type of 2013, as a plug-in like any other.

Its guests had a virtio NIC on a macvtap over a VF whose netdev the vendor's daemon had renamed, so
that the XML was the same on every host. Nova took it in 2013 and dropped it in 2015; what it needs
of the compute side is what every VIF type gets here: a name known before any host is.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml.etree import _Element

from trunkline.domain.device import DeviceKind
from trunkline.domain.port import VnicType
from trunkline.vif.base import VifRequest
from trunkline.vif.elements import l2_details, macvtap_on


def eth_name(logical_name: str) -> str:
    """Return the vendor's name of the device: ``eth`` and 11 characters of the port's ID.

    Nova's names were ``tap`` and the first 11 characters of the ID, dash included; the vendor put
    ``eth`` in place of ``tap``. The logical name has the ID's first 12 digits, without the dash.
    """
    digits = logical_name.removeprefix("tl")
    return f"eth{digits[:8]}-{digits[8:10]}"


class MlnxDirect:
    """A macvtap on a VF whose netdev is called ``ethXXXXXXXX-XX``."""

    name = "mlnx_direct"
    vnic_types = frozenset({VnicType.MACVTAP})
    device_kind = DeviceKind.VF

    def netdev_name(self, request: VifRequest) -> str | None:
        """Return the vendor's name of the device; in a network pool it has none."""
        return None if request.network_pool is not None else eth_name(request.logical_name)

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return `binding:vif_details`, with the device's name."""
        name = self.netdev_name(request)
        return l2_details(request) | ({} if name is None else {"device_name": name})

    def interface(self, request: VifRequest) -> _Element:
        """Return ``<interface type='direct'>`` on the vendor's name."""
        return macvtap_on(eth_name(request.logical_name), request)
