"""A stand-in CloudPress for development: real HTTP, state that lasts, callbacks, faults on demand.

It is a program of its own: it imports nothing else of `app`, and shares nothing with our client but the
wire. What it does is taken from the provider's page; where no page says it, a comment says *inferred*.
"""

from app.sandbox.application import create_sandbox
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import FAULTS, FaultError, parse_fault

__all__ = ["FAULTS", "FaultError", "SandboxConfig", "create_sandbox", "parse_fault"]
