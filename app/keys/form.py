"""What a key looks like, and what is stored of it."""

import hashlib
import secrets

PREFIX = "phk_"
"""What every key begins with, so that a secret scanner recognises one."""
RANDOM_BYTES = 32
SHOWN_CHARACTERS = len(PREFIX) + 6


def digest_of(key: str) -> str:
    """Return what is stored of a key, and what a browser that signed in with it keeps, sealed."""
    # A key is random and long, so one round tells nothing of it and costs a request nothing.
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """Return a key that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
