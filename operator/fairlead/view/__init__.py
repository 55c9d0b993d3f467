"""How a run is shown: live on a terminal, as lines in a pipe, as a document for machines."""
