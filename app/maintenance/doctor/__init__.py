"""`presshook doctor`: what is wrong with a deployment, in the order in which it has to be right.

Every check is a function that returns results and raises nothing for what it was made to find. None of them
tells a secret. `checks` has their names, `examining` their order, `repeating` those that the service repeats.
"""
