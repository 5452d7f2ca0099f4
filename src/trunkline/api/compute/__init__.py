"""The compute API as Nova's clients speak it, version 2.1 with microversions."""
