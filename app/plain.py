"""Foreign text on a terminal: shown, and never obeyed.

A status, a domain or a name is whatever CloudPress, a client or a stranger made of it. An escape sequence in
it would colour, hide or overwrite what stands beside it, a line break would add a line of its own, and marks
of writing direction would turn it around.
"""

import unicodedata

# Controls, marks of format and direction, halves of characters, line and paragraph separators. (Unicode, 4.5)
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Joiners within words and emoji, which move nothing.
HARMLESS = {"\u200c", "\u200d"}


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in OBEYED and character not in HARMLESS


def plain(text: str) -> str:
    """Return a text as one line in which everything can be seen: what a terminal would obey is spelt out."""
    if text.isprintable():
        return text
    return "".join(_spelt_out(each) if _is_obeyed(each) else each for each in text)


def _spelt_out(character: str) -> str:
    """Return a character as JSON spells it, so that a text within JSON stays the same text."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
