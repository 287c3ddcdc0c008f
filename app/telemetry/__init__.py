"""What the service tells of itself; none of it may change an answer."""
