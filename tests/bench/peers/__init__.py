"""What the service is measured beside: the framework alone, and the script of an afternoon."""
