"""The AWS that runs on one machine: moto's state, and execution of our own.

What runs of it needs Linux (:mod:`.linux`); :mod:`.client` imports everywhere. Nothing in this
package imports ``constructs_lib``: it sees only AWS's public contracts.
"""
