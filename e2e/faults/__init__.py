"""Faults on a real cluster: a load of mixed workflows, what is done to it, and what must be true afterwards."""
