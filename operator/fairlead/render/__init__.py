"""A decided node as a Kubernetes Job, and the program that runs its steps."""
