"""The options of the commands that ask a running service."""

from typing import Annotated

import typer

from app.cli.addresses import base_address
from app.cli.given_secrets import key_of_environment, presentable

Url = Annotated[
    str, typer.Option(envvar="PRESSHOOK_URL", help="Where the service is.", callback=base_address)
]
Key = Annotated[
    str,
    typer.Option(
        default_factory=key_of_environment,
        help="The API key; else PRESSHOOK_API_KEY, or else API_KEY, or what is in the file of their name and "
        "_FILE.",
        show_default=False,
        callback=presentable,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the service's JSON, for scripts.")]
