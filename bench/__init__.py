"""What Fairlead costs, beside the smallest program that makes the same Kubernetes Jobs: `python -m bench`."""
