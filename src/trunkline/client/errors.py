"""What can go wrong for a client of the API: each tells what was tried and what to do."""

from __future__ import annotations


class ClientError(Exception):
    """Root of what a caller of the client is expected to meet."""


class BadCredentials(ClientError):
    """It is not known whom to ask as, or the settings that say so can't be read."""


class Unreachable(ClientError):
    """Nothing came back from the service, or nothing that could be understood."""

    def __init__(self, url: str, problem: str, *, connected: bool = False) -> None:
        super().__init__(f"no answer from {url}: {problem}")
        self.url = url
        self.problem = problem
        self.connected = connected  # It was there, and went away or did not speak our language.


class ApiError(ClientError):
    """The service answered with an error: its message, status, code and request ID."""

    def __init__(self, *, status: int, code: str, message: str, request_id: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code  # As in docs/errors.md; empty if the answer had none.
        self.message = message
        self.request_id = request_id

    @property
    def is_refused_login(self) -> bool:
        """Whether the credentials or the token were not taken."""
        return self.status == 401

    @property
    def is_fault(self) -> bool:
        """Whether the service failed, rather than refused."""
        return self.status >= 500
