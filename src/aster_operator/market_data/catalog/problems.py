"""What can be wrong with a catalog that its owner can mend."""

__all__ = ["CatalogError"]


class CatalogError(Exception):
    """One line: what is wrong, which file or folder, what to do."""
