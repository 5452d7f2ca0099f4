"""What the service does: one use case a function, each write one transaction."""
