"""One file for each class of diffusers whose configs are read, and for each of our own."""
