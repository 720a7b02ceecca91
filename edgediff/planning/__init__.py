"""A budget in, a plan out: which bundle, engine and settings to take on this machine, by short measurements.

``planner.plan`` does all of it: ``variants`` lists what is measured, ``measuring`` measures it and keeps what was
found, ``predicting`` works out whole pictures, ``choosing`` chooses, ``plan`` is what comes out; ``docs/plan.md``.
"""
