"""A bundle as a folder that draws in a browser; the page itself is built from ``web/`` into ``page/``."""
