"""The scenes, one a module, in the order in which they are played."""
