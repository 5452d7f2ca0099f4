"""Which microversions of Nova's API are served. `HIGHEST` rises together with what it changes."""

from __future__ import annotations

from typing import Final

from trunkline.api.versions import Microversion, ServedVersions

LOWEST: Final = Microversion(2, 1)
HIGHEST: Final = Microversion(2, 96)  # 2.97 adds shares, 2.98 image properties: not served.
SERVED: Final = ServedVersions(
    service="compute",
    lowest=LOWEST,
    highest=HIGHEST,
    own_header="X-OpenStack-Nova-API-Version",
)
