"""Our HTTP, a file or folder for each resource."""
