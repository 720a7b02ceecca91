"""Components in ncnn's format, converted by ``pnnx``, which is a program of its own."""
