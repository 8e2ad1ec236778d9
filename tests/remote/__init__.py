"""Models behind services."""
