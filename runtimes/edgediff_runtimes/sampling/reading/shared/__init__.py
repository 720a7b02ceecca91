"""What the classes of configs share."""
