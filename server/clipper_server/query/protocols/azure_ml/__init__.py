"""What clients of Azure Machine Learning ask: its inference server's `/score`, and an endpoint's headers.

`/score` is the only application there is, and `/{application}/score` is each. A deployment is a version of a
model that it is linked to, or model:version, and so is every arm of its policy.

Rows come as `data`, as scoring scripts have it by convention, as `input_data`, as MLflow's models have it
behind an endpoint, or as a list by itself; the answer is the list of their outputs. A default output is an
answer like any other: its reason is in the header X-Default-Answer, and x-ms-run-function-failed is True.
"""
