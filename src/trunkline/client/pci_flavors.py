"""PCI flavors over the compute API, typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from trunkline.client.session import Session
from trunkline.wire.pci_flavors import PATH, PciFlavorAnswer, PciFlavorItem, PciFlavorList

PAGE_SIZE = 500  # Items asked for at once.


class PciFlavorApi:
    """The calls of ``os-pci-flavors``. All raise the classes of `client.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Iterator[PciFlavorItem]:
        """List them by name, read page by page."""
        marker: list[tuple[str, str]] = []
        while True:
            query = [("limit", str(PAGE_SIZE)), *marker]
            page = self._session.call("GET", "", PciFlavorList, query=query, below=PATH)
            yield from page.pci_flavors
            if len(page.pci_flavors) < PAGE_SIZE:
                return
            marker = [("marker", page.pci_flavors[-1].id)]

    def get(self, ref: str) -> PciFlavorItem:
        """Show one, by name or ID."""
        return self._ask("GET", f"/{quote(ref, safe='')}")

    def create(self, fields: Mapping[str, object]) -> PciFlavorItem:
        """Make one."""
        return self._ask("POST", "", {"pci_flavor": fields})

    def update(self, ref: str, fields: Mapping[str, object]) -> PciFlavorItem:
        """Change one."""
        return self._ask("PUT", f"/{quote(ref, safe='')}", {"pci_flavor": fields})

    def delete(self, ref: str) -> None:
        """Delete one."""
        self._session.send("DELETE", f"{PATH}/{quote(ref, safe='')}")

    def _ask(self, method: str, path: str, body: object | None = None) -> PciFlavorItem:
        return self._session.call(method, path, PciFlavorAnswer, body=body, below=PATH).pci_flavor
