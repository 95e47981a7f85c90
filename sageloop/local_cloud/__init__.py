"""AWS on one machine: moto's state, with execution by the local cloud.

The server requires Linux (:mod:`.linux`); :mod:`.client` imports on every platform. Nothing in
this package imports ``constructs_lib``: it depends on AWS's public contracts only.
"""
