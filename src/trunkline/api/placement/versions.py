"""Which microversions of Placement's API are served: all that there are, for what is served."""

from __future__ import annotations

from typing import Final

from trunkline.api.versions import Microversion, ServedVersions

LOWEST: Final = Microversion(1, 0)
HIGHEST: Final = Microversion(1, 39)
SERVED: Final = ServedVersions(service="placement", lowest=LOWEST, highest=HIGHEST)
