"""edgediff's runtime: a bundle in, a result out, without PyTorch.

- ``bundle``: the directory that an export writes, opened and checked
- ``engines``: what computes graphs; one module per engine behind one seam
- ``sampling``, ``noise``: the four axes of sampling
- ``text``, ``guidance``, ``latents``, ``images``: the parts of a picture
- ``components``, ``settings``, ``tasks``, ``results``, ``pipeline``: what puts them together
- ``errors``, ``cancellation``, ``tensors``, ``reporting``: shared by all
"""

from edgediff_runtimes.reporting import switch_off

switch_off()  # before any module of ours, or anything they import, can import what reports
