"""Runs workflows on this machine: as processes, or in containers. Implements the engine's ports without a cluster."""
