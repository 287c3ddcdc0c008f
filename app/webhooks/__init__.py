"""Telling applications what happened, by the Standard Webhooks specification."""
