"""The typed client of trunkline/v1, for the command line and the agent."""
