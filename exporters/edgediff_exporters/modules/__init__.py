"""Plans of graphs that several families share."""
