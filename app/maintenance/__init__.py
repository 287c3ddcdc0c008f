"""The schema, and what an operator does to a whole database."""
