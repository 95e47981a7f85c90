"""Serves the user's inference code as AWS's framework images do.

``python -I -m sageloop.local_cloud.images.script.inference --framework=pytorch serve`` fetches the
code, installs its requirements, loads the model with the user's functions or the framework's
default functions, and then listens.

https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html
"""
