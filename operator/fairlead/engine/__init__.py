"""The loop: what has changed → plan → act. Ports are what it needs of the world; adapters live beside it."""
