"""The JSON of our API."""
