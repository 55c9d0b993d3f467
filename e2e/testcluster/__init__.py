"""A real Kubernetes cluster on one Linux machine, without Docker and without a registry.

`e2e/cluster` is its command line and `docs/cluster.md` its manual. It runs before any virtual
environment exists, so nothing here imports anything but the standard library.
"""
