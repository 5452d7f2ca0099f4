"""The image face."""
