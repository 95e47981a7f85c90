"""Container of a multi-model endpoint: several models behind the multi-model API.

``python -I -m sageloop.local_cloud.images.multi_model --framework=xgboost`` starts without a
model; the platform loads and unloads models. Each model is served like a single one.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""
