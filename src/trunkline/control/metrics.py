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
