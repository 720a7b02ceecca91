"""edgediff's runtime: a bundle in, a result out, without PyTorch.

- ``bundle``: the directory that an export writes, opened and checked
- ``engines``: what computes graphs; one module per engine behind one seam
- ``sampling``, ``noise``: the four axes of sampling
- ``text``, ``guidance``, ``latents``, ``images``: the parts of a picture
- ``components``, ``settings``, ``tasks``, ``results``, ``pipeline``: what puts them together
- ``errors``, ``cancellation``, ``tensors``: shared by all
"""
