"""Images for a host's disks, from the service, by the host's own credential."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.client.agents import AgentApi
from trunkline.client.errors import ApiError, ClientError
from trunkline.domain.ids import HostName
from trunkline.reconcile.desired import ImageSource
from trunkline.reconcile.interfaces import HostRefused


class HttpImages:
    """Fetches images over a connection of its own, so that no report waits for one."""

    def __init__(self, url: str, host: HostName, token: str, *, ca_file: str | None = None) -> None:
        """Set up; nothing is sent yet."""
        self._api = AgentApi(url, host, token, ca_file=ca_file)

    def fetch(self, image: ImageSource, write: Callable[[bytes], None]) -> None:
        """Hand the image's bytes to `write`, piece by piece.

        Raises:
            HostRefused: They did not come, or not all of them.
        """
        try:
            self._api.fetch_image(image.id, write)
        except ClientError as problem:
            transient = not isinstance(problem, ApiError) or problem.is_fault
            raise HostRefused(
                f"fetch image {image.id}", str(problem), transient=transient
            ) from problem

    def close(self) -> None:
        """Close the connection."""
        self._api.close()
