"""How requests leave this machine: whom they trust, through which proxy, and how much of an answer they take.

All clients of ours share it: CloudPress's, the webhooks', the commands'.
"""

from app.network.errors import NetworkSettingsError
from app.network.proxies import Proxy, proxy_for
from app.network.trust import certificate_problem, trust_store

__all__ = ["NetworkSettingsError", "Proxy", "certificate_problem", "proxy_for", "trust_store"]
