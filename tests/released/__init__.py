"""What a release contains, and whether it works without the source beside it."""
