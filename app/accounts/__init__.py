"""CloudPress accounts: their tokens, a client for each, what they can order."""
