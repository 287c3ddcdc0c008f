"""Presshook orders WordPress sites from CloudPress and sees each order through to its end."""
