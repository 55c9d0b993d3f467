"""What the operator tells of itself: logs and metrics. Nothing here decides."""
