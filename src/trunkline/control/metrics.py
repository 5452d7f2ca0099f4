"""What is counted for Prometheus. Names and labels are API: added to, never renamed."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

# One for every row of the audit trail: so devices claimed, confirmed, cleaned and quarantined,
# servers placed and refused, hosts enrolled and disabled are all here, by their events' names.
CHANGES: Final = Counter(
    "trunkline_changes",
    "Changes that were made and are durable, by their action in the audit trail.",
    ["action"],
)

RACES_LOST: Final = Counter(
    "trunkline_races_lost",
    "Transactions of requests that were rolled back and run again, as another one was faster.",
)

TURNED_ASIDE: Final = Counter(
    "trunkline_placements_turned_aside",
    "Hosts that requests left to another replica, which was placing there, for their next best.",
)
