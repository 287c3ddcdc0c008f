"""The JSON of a site's credentials."""

from pydantic import (
    BaseModel,
)

from app.orders.reading import Credentials


class SshCredentials(BaseModel):
    """How to log in by ssh."""

    ipaddr: str | None
    username: str | None
    password: str | None
    port: int | None


class CredentialsBody(BaseModel):
    """The credentials of a finished site."""

    ssh: SshCredentials

    @classmethod
    def of(cls, credentials: Credentials) -> "CredentialsBody":
        """Show credentials."""
        return cls(ssh=SshCredentials.model_validate(credentials, from_attributes=True))
