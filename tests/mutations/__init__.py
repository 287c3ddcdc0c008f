"""Breaks the code on purpose, one rule at a time, and sees which proof fails: `python -m tests.mutations`.

A mutation that survives shows that the proofs prove nothing of its rule. A new one is a row in the file of
its room: what to break, where, how, and which proofs, of those that `make test` runs, have to notice. A
proof must not have been written for that one line.
"""
