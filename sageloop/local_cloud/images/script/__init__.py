"""Script mode: runs the user's training script as AWS's framework images run it.

``python -I -m sageloop.local_cloud.images.script train`` reads the files under ``/opt/ml``,
fetches the code, installs its requirements, runs it with the ``SM_*`` variables and arguments of
AWS's training toolkit, and writes the success or failure file.

https://docs.aws.amazon.com/sagemaker/latest/dg/docker-containers-adapt-your-own.html
"""
