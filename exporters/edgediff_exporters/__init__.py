"""edgediff's exporter: a trained model in, a bundle out. Needs the `export` extra."""
