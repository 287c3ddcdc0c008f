"""The JSON of what CloudPress has that may be an order."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.accounts.told import ToldOrder
from app.orders.suspects import Suspect
from app.states import Suspicion


class ToldTaskBody(BaseModel):
    """A task, by CloudPress's own word."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str


class ToldOrderBody(BaseModel):
    """What CloudPress tells of one of its orders now. Null is what it does not tell."""

    model_config = ConfigDict(from_attributes=True)

    status: str | None
    created_at: datetime | None
    variant: str | None
    location: str | None
    product: str | None
    site_id: str | None
    site_name: str | None
    awaits_payment: bool
    tasks: list[ToldTaskBody]


class SuspectBody(BaseModel):
    """A CloudPress order that may be the order that was asked about."""

    cloudpress_order_id: str
    code: Suspicion = Field(description="Why it may be.")
    detail: str
    placed_at: datetime | None = Field(description="When CloudPress's list says that it was made.")
    held_by: UUID | None = Field(description="The order here that has it by now: it cannot be adopted.")
    told: ToldOrderBody | None
    untold: str | None = Field(description="Why nothing is told of it, where nothing is.")

    @classmethod
    def of(cls, suspect: Suspect, told: ToldOrder | None, untold: str | None) -> "SuspectBody":
        """Show a suspect."""
        return cls(
            cloudpress_order_id=suspect.cloudpress_order_id,
            code=suspect.why,
            detail=suspect.why.sentence,
            placed_at=suspect.placed_at,
            held_by=suspect.held_by,
            told=None if told is None else ToldOrderBody.model_validate(told),
            untold=untold,
        )


class SuspectList(BaseModel):
    """What CloudPress has that may be an order, what fits best first."""

    data: list[SuspectBody]
    left_out: int = Field(description="How many more there are than are listed.")
    others: list[str] = Field(description="CloudPress's ids of those.")
    callbacks: int = Field(
        description="How many different callbacks were let in for the order, to be sent along when it is "
        "resolved."
    )
