"""Trunkline's own API."""
