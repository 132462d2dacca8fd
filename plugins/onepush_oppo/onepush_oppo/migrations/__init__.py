"""Numbered migrations of the plugin's own tables, as the core runs them."""
