"""A package, so that none of the same name among the installed ones (sniffpy brings one) is taken for it."""
