"""The import paths of the first system, kept valid."""
