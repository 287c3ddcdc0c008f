"""Engine and transactions, column types, the clock, the tables."""
