"""The simulator: the whole system on a fake clock, its events in an order that a seed chooses."""
