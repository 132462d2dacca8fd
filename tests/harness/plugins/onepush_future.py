"""A plugin for a version of the API that this onepush does not have: it must not even be imported."""

raise AssertionError("imported")
