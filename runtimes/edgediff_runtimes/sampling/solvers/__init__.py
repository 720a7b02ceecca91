"""Methods that move a sample along a schedule, each with its paper."""
