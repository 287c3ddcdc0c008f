"""Texts from outside, made fit for an exception: one line, short, without our secrets."""

import re

MAX_TEXT_LENGTH = 500


class Redaction:
    """Replaces the given secrets in texts."""

    def __init__(self, *secrets: str) -> None:
        """Take the secrets; of one with a scheme (`Bearer x`) the part after it counts by itself."""
        found = {*secrets, *(secret.partition(" ")[2].strip() for secret in secrets)} - {""}
        # The longest first: a secret that holds another one must go as a whole.
        ordered = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")

    def conceal(self, text: str) -> str:
        """Return the text with every secret in it replaced."""
        return self._pattern.sub("[redacted]", text)

    def tidy(self, text: str) -> str:
        """Return the text as one printable line of at most 500 characters, secrets replaced."""
        printable = "".join(c if c.isprintable() else " " for c in text)
        # Concealed before it is cut: half a secret would no longer be recognised.
        return self.conceal(" ".join(printable.split()))[:MAX_TEXT_LENGTH]
