"""The reconciler: leases orders that are due, asks CloudPress what is true, decides, writes it down.

`loop` claims and bounds the passes, `choosing` says what a pass does; `placing`, `observing`, `confirming`
and `looking_up` talk to CloudPress with no transaction open, and `concluding` writes what they found.
"""

from app.reconciler.dependencies import Dependencies
from app.reconciler.loop import Reconciler

__all__ = ["Dependencies", "Reconciler"]
