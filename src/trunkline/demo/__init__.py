"""The demonstration: the two-network scenario, narrated, each claim checked from outside."""
