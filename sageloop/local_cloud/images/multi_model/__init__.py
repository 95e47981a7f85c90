"""Many models in one container, under the API of multi-model endpoints.

``python -I -m sageloop.local_cloud.images.multi_model --framework=xgboost`` starts
without a model; the platform loads and unloads them. Each is served by what serves it alone.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""
