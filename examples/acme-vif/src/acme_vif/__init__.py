"""An example of VIF types and network drivers from outside of Trunkline."""
