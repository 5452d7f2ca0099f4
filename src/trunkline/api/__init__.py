"""HTTP: one literal route table, one file a noun, errors mapped in one place."""
