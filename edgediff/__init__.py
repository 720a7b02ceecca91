"""edgediff: diffusion models on people's own devices."""
