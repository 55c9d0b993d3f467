"""What a workflow may say without being wrong, and that will surprise whoever runs it. One module for each kind."""
