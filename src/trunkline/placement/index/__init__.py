"""The fleet in memory, advanced by changes, and its best hosts for a request."""
