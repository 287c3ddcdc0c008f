"""Errors as RFC 9457 `application/problem+json`.

None repeats a value that was sent, which may be a secret; fields are named.
"""
