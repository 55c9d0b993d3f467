"""The shell around the engine in a cluster: kopf's handlers, the HTTP endpoints, the life of the process."""
