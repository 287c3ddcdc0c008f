"""The JSON of our API."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from app.api.bodies.fields import PRINTABLE, Described, HttpUrl, Line, Strict, _printable
from app.events.timeline import Actor
from app.orders.intake import NewOrder
from app.orders.representation import OrderBody
from app.orders.shown import NOTHING_SAID, Shown

MAX_METADATA_KEYS = 50
VARIANTS = ("vanilla", "extendify", "migration")

"""(provider page: `variant`)"""

# The optional fields of the first release, and what is said by leaving them out. No other is to be added.
FIRST_FIELDS: dict[str, Any] = {"account_id": None, "metadata": {}}
FIRST_FIELDS_OF_SITES = {"location": None, "plan": None, "return_url": None}

MetadataKey = Annotated[
    str, Field(min_length=1, max_length=64), AfterValidator(_printable), Described(PRINTABLE)
]
MetadataValue = Annotated[str, Field(max_length=1024), AfterValidator(_printable), Described(PRINTABLE)]


class SiteRequest(Strict):
    """The site to order."""

    name: Line = Field(description="The site's name.")
    variant: Literal["vanilla", "extendify", "migration"] = Field(description="The kind of site.")
    location: Line | None = Field(None, description="Where it is to be: a location of the catalog.")
    plan: Line | None = Field(None, description="The plan: a product of the catalog.")
    return_url: HttpUrl | None = Field(None, description="Where the end user is sent after paying.")


class OrderRequest(Strict):
    """An order for one site."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"site": {"name": "Rosa's Bakery", "variant": "vanilla"}},
                {
                    "site": {
                        "name": "Harbour Books",
                        "variant": "extendify",
                        "location": "Amsterdam",
                        "plan": "Starter",
                        "return_url": "https://shop.example.com/welcome",
                    },
                    "metadata": {"customer": "4711"},
                },
            ]
        }
    )

    site: SiteRequest
    account_id: Line | None = Field(
        None, description="The CloudPress account that it is ordered for; the default one if not given."
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)] = Field(
        default_factory=dict, description="Whatever the client wants to keep with the order."
    )
    progress_page: bool = Field(
        default=False,
        description="Whether the order gets a page for the end user, at its `progress_url`, which is then "
        "also the `return_url` if none is given.",
    )

    def told(self) -> dict[str, Any]:
        """Return what tells this request from another: the same at every release.

        Of what a later release lets a client say besides, only what is said is in it. So a key that was used
        before the upgrade stands for the same request after it.
        """
        said = self.model_dump(mode="json", exclude_defaults=True)
        return {**FIRST_FIELDS, **said, "site": {**FIRST_FIELDS_OF_SITES, **said["site"]}}

    def to_new_order(self, account_id: str, *, account_is_stored: bool, by: Actor) -> NewOrder:
        """Return what intake takes."""
        return NewOrder(
            account_id=account_id,
            account_is_stored=account_is_stored,
            by=by,
            site_name=self.site.name,
            variant=self.site.variant,
            location=self.site.location,
            plan=self.site.plan,
            return_url=self.site.return_url,
            metadata=self.metadata,
        )


class OrderList(BaseModel):
    """A page of orders, the newest first. `next_cursor` leads to older ones, null at the end."""

    data: list[OrderBody]
    next_cursor: str | None


class AdoptRequest(Strict):
    """An unconfirmed order is this CloudPress order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "adopt", "cloudpress_order_id": "98c61ea7-e8ab-41f8-af26-08e34566ce57"}]
        }
    )

    action: Literal["adopt"]
    cloudpress_order_id: Line = Field(description="The CloudPress order that is this order.")

    @property
    def shown(self) -> Shown:
        """What else there is does not matter to an order that was found."""
        return NOTHING_SAID


class VerdictRequest(Strict):
    """An unconfirmed order is sent once more, or given up; suspected duplicates of an order are none.

    It holds for what whoever decides was shown. Where `suspects` or `callbacks` say what that was, and there
    is more by now, it is refused with 409 and nothing is changed. Where they are left out, only what the
    order's `attention` tells counts as shown: what it does not name is not dismissed, and speaks against
    placing again.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "fail"},
                {"action": "place_again", "suspects": [], "callbacks": 0},
                {
                    "action": "dismiss_duplicates",
                    "suspects": ["98c61ea7-e8ab-41f8-af26-08e34566ce57"],
                    "callbacks": 0,
                },
            ]
        }
    )

    action: Literal["place_again", "fail", "dismiss_duplicates"]
    # As many as fit into a request's body.
    suspects: list[Line] | None = Field(
        None, description="The CloudPress orders that were shown, of `GET /v1/orders/{id}/suspects`."
    )
    callbacks: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="How many callbacks were let in by then, of the same."
    )

    @property
    def shown(self) -> Shown:
        """What whoever decides was shown."""
        return Shown(self.suspects, self.callbacks)


ResolveRequest = Annotated[AdoptRequest | VerdictRequest, Field(discriminator="action")]
