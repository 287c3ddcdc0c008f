"""The mutations, by the room of what they break."""

from tests.mutations.mutation import Mutation
from tests.mutations.rows import (
    asking,
    batches,
    dashboard,
    field,
    final,
    handed_over,
    hints,
    orders,
    queue,
    reconciler,
    resolving,
    seeing,
    server,
    states,
    told,
    waiting_words,
    webhooks,
    words,
)

MUTATIONS: tuple[Mutation, ...] = (
    *states.MUTATIONS,
    *told.MUTATIONS,
    *queue.MUTATIONS,
    *batches.MUTATIONS,
    *asking.MUTATIONS,
    *orders.MUTATIONS,
    *reconciler.MUTATIONS,
    *resolving.MUTATIONS,
    *seeing.MUTATIONS,
    *waiting_words.MUTATIONS,
    *webhooks.MUTATIONS,
    *words.MUTATIONS,
    *dashboard.MUTATIONS,
    *field.MUTATIONS,
    *final.MUTATIONS,
    *handed_over.MUTATIONS,
    *hints.MUTATIONS,
    *server.MUTATIONS,
)
