"""Other systems' workflow files, turned into Workflows, with a report of what could be kept."""
