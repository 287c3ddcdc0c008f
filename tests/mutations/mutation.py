"""One way to break the code."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutations.proofs import Proof


@dataclass(frozen=True)
class Mutation:
    """A rule that no longer holds: in `file` the text `old`, which is there once, becomes `new`."""

    name: str
    """What no longer holds, as a sentence would say it."""
    file: str
    old: str
    new: str
    proofs: tuple[Proof, ...]
    """Those that have to notice, tried in this order until one does."""

    def broken(self, root: Path) -> str:
        """Return the text of the file, broken.

        Raises:
            ValueError: what is to be broken is not there, or not once.
        """
        text = (root / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the old text is {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Break the file in the tree of `root`."""
        (root / self.file).write_text(self.broken(root))
