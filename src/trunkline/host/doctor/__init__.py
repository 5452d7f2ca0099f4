"""Whether a machine can give VFs to guests: what is there, what is missing, and the exact fix."""
