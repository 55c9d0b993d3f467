"""Beside a job's container: answers the driver's questions for steps that only the running job can fill in."""
