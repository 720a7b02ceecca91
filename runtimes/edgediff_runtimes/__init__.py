"""edgediff's runtime: a bundle in, a result out, without PyTorch."""
