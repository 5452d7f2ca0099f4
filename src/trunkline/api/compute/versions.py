"""Which microversions of Nova's API are served. `HIGHEST` rises together with what it changes."""

from __future__ import annotations

from typing import Final

from trunkline.api.versions import Microversion, ServedVersions

LOWEST: Final = Microversion(2, 1)
HIGHEST: Final = Microversion(2, 100)  # The highest that openstacksdk 4.22 asks for.
SERVED: Final = ServedVersions(
    service="compute",
    lowest=LOWEST,
    highest=HIGHEST,
    own_header="X-OpenStack-Nova-API-Version",
)
