from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from trunkline.host.linux.pci_ids import PciNames, names_in, pci_names

TEXT = """\
#	List of PCI ID's
8086  Intel Corporation
	10c9  82576 Gigabit Network Connection
		103c 31ef  NC362i Integrated Dual port Gigabit Server Adapter
	10ca  82576 Virtual Function
15b3  Mellanox Technologies
	1017  MT27800 Family [ConnectX-5]
C 02  Network controller
	10c9  not a product
"""
LINES = TEXT.splitlines(keepends=True)


def test_vendors_and_products_have_names() -> None:
    assert names_in(LINES, "8086", "10ca") == PciNames(
        "Intel Corporation", "82576 Virtual Function"
    )
    assert names_in(LINES, "15b3", "1017").product == "MT27800 Family [ConnectX-5]"


def test_what_is_not_listed_has_none() -> None:
    assert names_in(LINES, "8086", "1017") == PciNames("Intel Corporation")
    assert names_in(LINES, "15b3", "10c9") == PciNames("Mellanox Technologies")
    assert names_in(LINES, "ffff", "10c9") == PciNames()
    assert names_in(LINES, "8086", "103c") == PciNames("Intel Corporation")


def test_the_first_file_that_is_there_is_read(tmp_path: Path) -> None:
    (tmp_path / "pci.ids").write_text(TEXT)
    paths = (tmp_path / "none", tmp_path / "pci.ids")
    assert pci_names("8086", "10c9", paths=paths).vendor == "Intel Corporation"
    assert pci_names("8086", "10c9", paths=(tmp_path / "none",)) == PciNames()


def test_names_are_printable_and_not_without_end() -> None:
    assert names_in(["8086  Int\x1bel\n", "\t10c9  " + 999 * "x"], "8086", "10c9") == PciNames(
        "Intel", 128 * "x"
    )


@given(st.text(alphabet="8061c9\t\n #x", max_size=200))
def test_any_text_is_passed_over_where_it_is_not_a_list(text: str) -> None:
    names_in(text.splitlines(), "8086", "10c9")
