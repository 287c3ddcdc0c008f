"""Leases, the worker loop, signals."""
