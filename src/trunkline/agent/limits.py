"""The agent's limits and paces, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All in one place, so that a deployment or a simulator can have others."""

    poll: timedelta = timedelta(seconds=1)  # Between looks at what the transport has for us.
    heartbeat: timedelta = timedelta(seconds=30)  # The longest silence.
    report_retry: timedelta = timedelta(seconds=2)  # After a report that got no answer.
    # Between two looks at news: a link that flaps must not keep the agent reading all the time. The
    # first of it is looked at at once.
    news_gap: timedelta = timedelta(milliseconds=200)
    # Domains and one PF in turn are looked at this often for what no event told of: never all PFs
    # at once, since reading a PF costs as much as it has VFs.
    check: timedelta = timedelta(seconds=60)
    # A PF that was out of service has to be well for so long before it is offered again: longer
    # than a switch takes to renegotiate a link, shorter than anybody would wait for.
    link_settle: timedelta = timedelta(seconds=10)
    # 1 + 2 + 4 + 8 s cover a VF reset and a libvirtd restart; then another host is the better try.
    attempts_max: int = 5
    backoff_first: timedelta = timedelta(seconds=1)
    backoff_max: timedelta = timedelta(seconds=60)
    # After giving up on a device it is tried again at times: a VF may come round. So are drivers
    # that could not be tried out.
    gave_up_retry: timedelta = timedelta(minutes=5)
    # A guest that ends unasked is started again so often in this time, then left: one that crashes
    # as it boots would do so without end. One that is paused so often stays so for `check`.
    restarts_max: int = 3
    restarts_window: timedelta = timedelta(minutes=10)
    rounds_max: int = 6  # Plans in one step; what takes more goes on in the next.
    units_max: int = 16  # Servers and devices acted on in one step, so that news is never far off.
