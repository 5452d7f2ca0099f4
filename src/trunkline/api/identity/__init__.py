"""The identity face."""
