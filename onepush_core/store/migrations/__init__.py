"""Numbered migrations of the core's own tables, applied in order."""
