"""The compute face."""
