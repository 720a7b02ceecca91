"""Tasks: what is done with the components of a bundle, phase by phase."""
