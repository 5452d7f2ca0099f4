"""What is wrong with a request as HTTP, before any use case has seen it."""

from __future__ import annotations

from collections.abc import Mapping


class HttpProblem(Exception):
    """A request that HTTP alone refuses: no such path, method, size, version."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
