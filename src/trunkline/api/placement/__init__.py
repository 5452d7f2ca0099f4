"""Placement's API, to be read: what hosts and devices there are, and who holds them."""
