"""Serving code of the user's own as AWS's framework images serve it.

``python -I -m sageloop.local_cloud.images.script.inference --framework=pytorch
serve`` brings the code, installs what it requires, loads the model with the user's functions or
the framework's usual ones and then listens.

https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html
"""
