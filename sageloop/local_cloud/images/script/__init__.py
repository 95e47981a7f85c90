"""Script mode: a program of the user's own, run as AWS's framework images run it.

``python -I -m sageloop.local_cloud.images.script train`` reads the files under
``/opt/ml``, fetches the code, installs what it requires, runs it with the ``SM_*`` variables and
arguments of AWS's training toolkit, and tells how it ended.

https://docs.aws.amazon.com/sagemaker/latest/dg/docker-containers-adapt-your-own.html
"""
