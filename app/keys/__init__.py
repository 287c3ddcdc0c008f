"""API keys: what one may do, how it is let in, made, rotated and revoked. The database only."""
