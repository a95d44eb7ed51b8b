"""What is done to a cluster, one noun a module."""
