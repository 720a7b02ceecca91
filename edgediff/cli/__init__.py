"""The `edgediff` command."""
