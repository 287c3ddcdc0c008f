"""The types of events. `docs/vocabulary.md` lists them with who causes each; a test compares the two."""

from enum import StrEnum

from app.states import Code


class EventType(Code):
    """What can happen, named after what it happens to, each with a sentence that says what happened."""

    # What applications are told of: these carry the order as it was shown. (`orders/lifecycle_events.py`)
    PLACED = "order.placed", "CloudPress has the order, and its id there is known."
    PAYMENT_REQUIRED = "order.payment_required", "The end user has to pay at the order's payment URL."
    COMPLETED = "order.completed", "The site is finished and its details are here."
    FAILED = "order.failed", "The order has failed for good; its error says why."
    CANCELLED = "order.cancelled", "The order is cancelled."
    NEEDS_ATTENTION = "order.needs_attention", "A person should look at the order; its attention says why."

    # The rest of an order's timeline.
    ACCEPTED = "order.accepted", "A client ordered, and the order was stored."
    PLACING = "order.placing", "The intent to send the order was stored, right before it is sent."
    PLACEMENT_ENDED = (
        "order.placement_ended",
        "An attempt to place the order has ended; the outcome says how.",
    )
    STATUS_CHANGED = "order.status_changed", "The order went from one status to another."
    IDENTIFIED = "order.identified", "The order's CloudPress order became known, or was corrected."
    LEASE_TAKEN_OVER = "order.lease_taken_over", "A process that held the order was gone; another went on."
    REQUEST_FAILED = "order.request_failed", "A request to CloudPress about the order told nothing."
    LOOKED_UP = "order.looked_up", "CloudPress's list was read whole and showed something else than before."
    FOUND_NOWHERE = "order.found_nowhere", "Nothing at CloudPress can be the order, as look-ups have shown."
    NOT_FOUND = "order.not_found", "CloudPress answers 404 for something of the order that it had shown."
    FOUND_AGAIN = "order.found_again", "CloudPress shows again what it had answered 404 for."
    PAYMENT_URL_CHANGED = "order.payment_url_changed", "CloudPress shows another payment URL."
    TASK_CHANGED = (
        "order.task_changed",
        "A task of the order was seen for the first time or in another status.",
    )
    SITE_CHANGED = "order.site_changed", "The site's details were read for the first time or differ."
    CALLBACK_RECEIVED = "order.callback_received", "A callback with the right value came in."
    CALLBACK_REPEATED = "order.callback_repeated", "A callback came again; told at the 2nd, 4th, 8th, … time."
    ATTENTION_STARTED = "order.attention_started", "The order asks for a person from now on."
    ATTENTION_ENDED = "order.attention_ended", "The cause for which the order asked for a person is gone."
    CANCEL_REQUESTED = (
        "order.cancel_requested",
        "A client asked to cancel the order; or that stands again, for what was refused was another's.",
    )
    CANCEL_ACCEPTED = "order.cancel_accepted", "CloudPress agreed to cancel; what it shows decides."
    CANCEL_REFUSED = "order.cancel_refused", "CloudPress refuses to cancel the order, which goes on."
    REFRESH_REQUESTED = "order.refresh_requested", "A client asked for the order to be looked at now."
    RESOLUTION_REQUESTED = "order.resolution_requested", "An operator decided what becomes of the order."
    RESOLUTION_IMPOSSIBLE = "order.resolution_impossible", "What an operator decided could not be done."
    DUPLICATE_SUSPECTED = "order.duplicate_suspected", "CloudPress may have the order a second time."
    DUPLICATE_ENDED = "order.duplicate_ended", "What was suspected is cancelled, failed or another's."
    DUPLICATES_DISMISSED = "order.duplicates_dismissed", "An operator found suspected duplicates to be none."
    ERASED = "order.erased", "What was personal of the order was erased on request; its tombstone stays."
    CREDENTIALS_READ = "order.credentials_read", "Somebody read how to log in to the site."

    # What concerns no order.
    ACCOUNT_STORED = "account.stored", "A CloudPress account was stored or its token replaced."
    ACCOUNT_REMOVED = "account.removed", "A CloudPress account was removed."
    KEY_CREATED = "key.created", "An API key was made."
    KEY_ROTATED = "key.rotated", "An API key was replaced; the former one works for a while."
    KEY_REVOKED = "key.revoked", "An API key was revoked."
    WEBHOOK_CREATED = "webhook.created", "A webhook was made."
    WEBHOOK_CHANGED = "webhook.changed", "A webhook was changed or enabled."
    WEBHOOK_ROTATED = "webhook.rotated", "A webhook's secret was replaced; both sign for a while."
    WEBHOOK_REMOVED = "webhook.removed", "A webhook was removed."
    WEBHOOK_DISABLED = "webhook.disabled", "The service disabled a webhook that takes nothing."
    CHECK_FAILED = "service.check_failed", "A check of the deployment, which the service repeats, fails."
    CHECK_RECOVERED = "service.check_recovered", "A check of the deployment that had failed is well again."
    SERVICE_RESTORED = "service.restored", "The database was restored from a backup or copied."
    ORPHAN_FOUND = (
        "service.orphan_found",
        "CloudPress has an order, made since the backup that was restored, which no order here holds.",
    )
    ORPHAN_ADOPTED = "service.orphan_adopted", "An operator made an order here of such a CloudPress order."
    ORPHAN_DISMISSED = (
        "service.orphan_dismissed",
        "An operator found such a CloudPress order to be none of ours.",
    )


class ToldEvent(StrEnum):
    """What webhooks may be told of. The last three concern no order, and are told to who names them alone."""

    PLACED = EventType.PLACED.value
    PAYMENT_REQUIRED = EventType.PAYMENT_REQUIRED.value
    COMPLETED = EventType.COMPLETED.value
    FAILED = EventType.FAILED.value
    CANCELLED = EventType.CANCELLED.value
    NEEDS_ATTENTION = EventType.NEEDS_ATTENTION.value
    CHECK_FAILED = EventType.CHECK_FAILED.value
    CHECK_RECOVERED = EventType.CHECK_RECOVERED.value
    WEBHOOK_DISABLED = EventType.WEBHOOK_DISABLED.value

    @property
    def concerns_an_order(self) -> bool:
        """Whether it is of an order, and so of an account. What is not is for who may see every account."""
        return self.value.startswith("order.")
