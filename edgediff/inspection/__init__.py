"""What ``edgediff inspect`` draws of a bundle's quality: charts of the figures, and the pictures themselves."""
