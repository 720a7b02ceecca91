"""A run: the stages of a recipe in their order, one after another, in the hands of the caller."""
