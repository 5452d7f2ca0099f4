"""The trunkline command: one file a noun; tables for people, JSON for programs."""
