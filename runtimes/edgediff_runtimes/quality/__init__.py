"""How far a bundle is from the original: measured, attributed, gated, proved."""
