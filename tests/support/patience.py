"""How long tests wait before they say that something hangs."""

from __future__ import annotations

HANGS_SECONDS = 240.0
"""Whatever is waited for: on a busy machine all takes ten times as long. No test lasts this long
because of it, unless what it waits for does not come.
"""
