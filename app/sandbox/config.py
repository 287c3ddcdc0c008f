"""How a sandbox behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SandboxConfig:
    """How a sandbox behaves.

    `accounts` maps each API token to the account that it belongs to. `task_seconds` is how long a task
    runs, `callback_speed` divides the waits of the callback's retries, `fault_rates` gives the share of
    orders (0 to 1) that each fault befalls, drawn by `seed`. `public_url` is where browsers reach the
    sandbox; without it, whatever address the order was sent to.
    """

    accounts: Mapping[str, str]
    task_seconds: float = 3.0
    callback_speed: float = 1.0
    payment_first: bool = False
    fault_rates: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    public_url: str | None = None
