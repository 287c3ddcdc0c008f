"""The operator's pages and the end user's page: rendered here, from the rooms that the API uses."""
