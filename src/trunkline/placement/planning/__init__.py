"""What would be: how many more fit, hosts drained, devices freed by moves."""
