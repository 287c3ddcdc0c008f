"""What a pass finds, filled where it is found, and written when the pass is concluded."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from app import cloudpress
from app.orders.names import UNKNOWN_TIDYING, Tidying
from app.reconciler.progress import Progress


@dataclass
class Findings:
    """What CloudPress answered in a pass, and what speaks for what, to be written."""

    order: cloudpress.Answer[cloudpress.OrderDetails] | None = None
    tasks: dict[int, cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef] = field(default_factory=dict)
    foreign_tasks: set[int] = field(default_factory=set)
    """Those that were taken for the order's, and name another CloudPress order."""
    site: cloudpress.Answer[cloudpress.Site] | None = None
    order_status: str | None = None
    """The order's own status, where nothing else of it is known."""
    order_id: str | None = None
    """The CloudPress order that this one was found to be, and how that was learned."""
    order_id_source: str | None = None
    duplicates: set[str] = field(default_factory=set)
    duplicates_ended: set[str] = field(default_factory=set)
    """Suspected ones that CloudPress has cancelled or failed to carry out, or that another order has now."""
    claimed: frozenset[str] = frozenset()
    """What an answer or a callback named as this order, and another order has by its name."""
    answered_to_both: frozenset[str] = frozenset()
    """What an answer named as this order, and another order here has."""
    mixed_up: frozenset[str] = frozenset()
    """What others have, and may be this order, as its own callbacks say."""
    alike: frozenset[str] = frozenset()
    """What nobody may have, and its own callbacks name as this order by a name that is alike."""
    is_own_called_back: bool = False
    """Whether a callback has named what the order holds."""
    refuted: set[str] = field(default_factory=set)
    """Other CloudPress orders that a task names, which an answer named, and the own callback knows better."""
    by_task: set[str] = field(default_factory=set)
    """Other CloudPress orders that nothing but a task names, which an answer named."""
    is_its_own: bool = False
    """Whether what the order holds was looked at, and nothing says that it is another's."""
    hints: tuple[int, ...] = ()
    """Tasks that callbacks named, and that need not be asked about again."""
    unread_hints: set[int] = field(default_factory=set)
    """Those that could not be read, or are not shown, or lead to what is not."""
    untold_hints: set[int] = field(default_factory=set)
    """Those that have not told all that they will."""
    read_hints: set[int] = field(default_factory=set)
    """Those of the former kind that are shown by now."""
    reads_callbacks_anew: bool = False
    """Whether tasks that callbacks named are to be asked about again, since the order was found."""
    look_up: Progress | None = None
    tidying: Tidying = UNKNOWN_TIDYING
    """What CloudPress was seen to do to names, as far as that was asked."""
    late_look_done: bool = False
    late_look_again_at: datetime | None = None
    """When it is made again, if it did not see all."""
    is_contradicted: bool = False
    """Whether the order's own callbacks name several CloudPress orders, so that it may be none of them."""
    may_be_doubled: bool = False
    """Whether something else looked like the order before it was found, so it is looked for once more."""
    named_anew: frozenset[str] = frozenset()
    """What an operator had settled, and CloudPress itself has named since."""
    resolved: bool = False
    """Whether what an operator asked for was done, or turned out to be impossible."""
    cancel_accepted: bool = False
    cancel_unanswered: bool | None = None
    """Whether CloudPress may have cancelled it without our having heard so; None where nothing is new."""
    cancel_refusal: tuple[str, ...] | None = None
    """CloudPress's words, if it refused to cancel."""

    @property
    def read_tasks(self) -> set[int]:
        """The tasks that CloudPress has shown, and not only linked."""
        return {task_id for task_id, found in self.tasks.items() if isinstance(found, cloudpress.Answer)}

    def copy(self) -> Self:
        """Return a copy, which may be changed while a transaction is tried."""
        return replace(
            self,
            tasks=dict(self.tasks),
            foreign_tasks=set(self.foreign_tasks),
            duplicates=set(self.duplicates),
            duplicates_ended=set(self.duplicates_ended),
        )

    def forget_identity(self) -> None:
        """Forget which CloudPress order this one seemed to be, and all that was read of it."""
        self.order = self.site = self.order_status = self.order_id = self.order_id_source = None
        self.tasks, self.foreign_tasks = {}, set()
        self.duplicates, self.refuted, self.by_task = set(), set(), set()
        self.reads_callbacks_anew = self.may_be_doubled = False
        self.late_look_done = False  # what it has found is forgotten with that, so it is made again
        self.hints = ()
