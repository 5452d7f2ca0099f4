"""The network face."""
