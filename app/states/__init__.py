"""The state machine, pure: which status may follow which, and what an observation means.

    pending           -> placing, unconfirmed, cancelled
    placing           -> pending, unconfirmed, awaiting_payment, provisioning, failed
    unconfirmed       -> pending, awaiting_payment, provisioning, completed, failed, cancelled
    awaiting_payment  -> provisioning, unconfirmed, completed, failed, cancelled
    provisioning      -> awaiting_payment, unconfirmed, completed, failed, cancelled

Who moves an order, and when:

    pending           intake creates it; the reconciler sends it; intake cancels it while nobody holds it;
                      in a restored database it becomes unconfirmed, and so it does where a callback or a
                      late answer says that CloudPress has it already
    placing           the reconciler commits it before the request; found with its lease run out: cut off
    unconfirmed       the reconciler, where the outcome of the request is unknown; looked for, never repeated;
                      cancelled if the client asks for it and nothing at CloudPress can be it
    awaiting_payment  the reconciler, while CloudPress shows a payment URL
    provisioning      the reconciler, while the task runs
    completed, failed, cancelled   the reconciler, from what CloudPress says; final

`statuses` has the transitions, `words` what CloudPress's words mean, `standing` and `observations` what is
decided from, `decision` what comes of it, `deciding` the decisions, of which `posting`, `seeking`, `seeing`
and `rechecking` take a part each, `silence` how long nothing was learned, `refuting` what is asked no more,
`codes`, `attention` and `waiting` what a person is told.
"""

from app.states.attention import (
    OF_TROUBLE,
    is_asked_already,
    listed,
    tells_of,
    tells_of_callbacks,
)
from app.states.codes import (
    Attention,
    AttentionCode,
    Code,
    Doubt,
    ErrorCode,
    Problem,
    Suspicion,
)
from app.states.deciding import LATE_LOOK_AFTER, decide
from app.states.decision import Decision, Wait
from app.states.doubled import (
    tells_of_anothers,
    tells_of_mix_up,
    tells_to_cancel_nothing,
    told_as_mixed_up,
)
from app.states.given_up import GIVEN_UP_FOR
from app.states.observations import (
    LOOK_UPS_BEFORE_PLACING_AGAIN,
    WITHOUT_TOKEN,
    CutOff,
    GivenUp,
    NotFoundYet,
    Observation,
    Overdue,
    PlacingOff,
    PostEnded,
    Reappeared,
    Rechecked,
    Seen,
    Trouble,
    Unwanted,
    Word,
    trouble_in,
)
from app.states.seeing import GONE_AFTER, MISSING_ATTENTION_SECONDS, is_decided
from app.states.silence import is_long
from app.states.standing import Standing
from app.states.statuses import (
    FINAL,
    PLACED,
    TRANSITIONS,
    OrderStatus,
    may_follow,
)
from app.states.waiting import (
    ALIVE_SECONDS,
    BEAT_SECONDS,
    Surroundings,
    Waiting,
    WaitingCode,
    Waits,
    waiting_for,
)
from app.states.words import (
    NOTHING_LANDED,
    REFUSALS_FOR_GOOD,
    PostOutcome,
    is_done,
    is_final_task,
    is_known_order_status,
    is_known_task_status,
    is_over,
    may_have_landed,
    outcome_of_refusal,
    refuses_to_cancel,
)

__all__ = [
    "ALIVE_SECONDS",
    "BEAT_SECONDS",
    "FINAL",
    "GIVEN_UP_FOR",
    "GONE_AFTER",
    "LATE_LOOK_AFTER",
    "LOOK_UPS_BEFORE_PLACING_AGAIN",
    "MISSING_ATTENTION_SECONDS",
    "NOTHING_LANDED",
    "OF_TROUBLE",
    "PLACED",
    "REFUSALS_FOR_GOOD",
    "TRANSITIONS",
    "WITHOUT_TOKEN",
    "Attention",
    "AttentionCode",
    "Code",
    "CutOff",
    "Decision",
    "Doubt",
    "ErrorCode",
    "GivenUp",
    "NotFoundYet",
    "Observation",
    "OrderStatus",
    "Overdue",
    "PlacingOff",
    "PostEnded",
    "PostOutcome",
    "Problem",
    "Reappeared",
    "Rechecked",
    "Seen",
    "Standing",
    "Surroundings",
    "Suspicion",
    "Trouble",
    "Unwanted",
    "Wait",
    "Waiting",
    "WaitingCode",
    "Waits",
    "Word",
    "decide",
    "is_asked_already",
    "is_decided",
    "is_done",
    "is_final_task",
    "is_known_order_status",
    "is_known_task_status",
    "is_long",
    "is_over",
    "listed",
    "may_follow",
    "may_have_landed",
    "outcome_of_refusal",
    "refuses_to_cancel",
    "tells_of",
    "tells_of_anothers",
    "tells_of_callbacks",
    "tells_of_mix_up",
    "tells_to_cancel_nothing",
    "told_as_mixed_up",
    "trouble_in",
    "waiting_for",
]
