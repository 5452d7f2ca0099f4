"""NICs to devices on one host, exactly and under all rules. It knows of no host or network."""
