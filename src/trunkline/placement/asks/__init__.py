"""What a request asks, reduced to what decides, and in words."""
