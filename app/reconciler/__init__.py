"""The reconciler: leases orders that are due, asks CloudPress what is true, decides, writes it down.

`loop` claims and bounds the passes, `passes` chooses what a pass does, `placing`, `observing` and `seeking`
talk to CloudPress with no transaction open, and `recording` writes what they found.
"""

from app.reconciler.loop import Reconciler
from app.reconciler.probing import OneProbe
from app.reconciler.surroundings import Surroundings

__all__ = ["OneProbe", "Reconciler", "Surroundings"]
