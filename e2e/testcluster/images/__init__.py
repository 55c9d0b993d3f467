"""Container images without a registry: made from Debian packages, kept as docker-archive tars."""
