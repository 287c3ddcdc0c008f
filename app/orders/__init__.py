"""Orders in the database: intake, callbacks, requests, lists, representation."""
