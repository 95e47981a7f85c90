"""The AWS that runs on one machine: moto's state, and execution of our own.

Nothing in this package imports ``constructs_lib``: it sees only AWS's public contracts.
"""
