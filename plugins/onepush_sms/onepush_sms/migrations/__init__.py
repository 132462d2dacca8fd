"""Numbered migrations of the plugin's own tables, applied in order."""
