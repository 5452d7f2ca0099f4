"""What one host has, and whether a request fits it."""
