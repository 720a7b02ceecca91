"""What a bundle costs on this device: time, memory, energy and the distance to the machine's limit.

``measuring.bench`` measures, ``reporting`` and ``page`` write what it found, ``comparing`` holds two reports side by
side; ``docs/bench.md`` says what each figure means. Nothing is imported here: the measuring process, ``child``, is part
of this package, and what it imports is among what it measures.
"""
