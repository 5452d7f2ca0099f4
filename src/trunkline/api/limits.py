"""What one request may be at most."""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 1024 * 1024  # JSON; images are streamed and have a limit of their own.
# Of whoever has not shown a token: it may be anybody, on all connections that there are.
UNKNOWN_BODY_BYTES_MAX: Final = 64 * 1024
LARGE_BODIES_BYTES_MAX: Final = 256 * 1024 * 1024  # All together that are larger than that.
BODY_SECONDS_MAX: Final = 60.0  # From the head of a request to the end of its JSON body.
CHUNK_SECONDS_MAX: Final = 60.0  # Between two pieces of a streamed body.
CHUNK_BYTES: Final = 1024 * 1024  # Streamed bodies go to and from the disk in pieces of this size.
HEADER_BYTES_MAX: Final = 32 * 1024  # All headers of a request together.
TARGET_BYTES_MAX: Final = 64 * 1024  # Path and query: room for a filter by a page of 1,000 IDs.
QUERY_PAIRS_MAX: Final = 2_000
JSON_DEPTH_MAX: Final = 24  # The deepest that any face nests is 6.
INTEGER_MAX: Final = 2**63 - 1  # What a database column holds.

WORKER_THREADS: Final = 32  # Handlers at work at one time; the others wait in the event loop.
SLOW_WORKER_THREADS: Final = 2
SLOW_WAITING_MAX: Final = 64  # More are told to come again: each would wait for seconds.
