"""A VF that its guest teams with a virtio NIC: traffic goes on while the VF is away."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.device import DeviceKind
from trunkline.domain.port import VnicType
from trunkline.vif.base import VifRequest
from trunkline.vif.builtin import DirectVf


class TeamedVf:
    """``<teaming type='transient'>``: the VF is the half that may be unplugged."""

    name = "acme_teamed"
    vnic_types = frozenset({VnicType.DIRECT})
    device_kind = DeviceKind.VF

    def netdev_name(self, _request: VifRequest) -> str | None:
        """No netdev of the host is named in the XML."""
        return None

    def details(self, request: VifRequest) -> Mapping[str, object]:
        """Return what a plain VF shows, and which NIC it is teamed with."""
        return {**DirectVf().details(request), "acme_team": self._team(request)}

    def interface(self, request: VifRequest) -> _Element:
        """Return a plain VF's element, with the team in it."""
        element = DirectVf().interface(request)
        team = self._team(request)
        element.append(etree.Element("teaming", type="transient", persistent=team))
        return element

    def _team(self, request: VifRequest) -> str:
        return f"ua-{request.logical_name}"
