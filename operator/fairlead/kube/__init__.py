"""The engine's ports over the Kubernetes API: connection, one thin client, watches, writes."""
