"""What clients of TorchServe and of multi-model-server ask: predictions, and the management of models.

A model's name is an application's, and a version is one of the models that it is linked to. A request has one
input: its body, or the one field of a form; or several fields, where inputs have names. Inference and
management are at one port, for their paths differ; a metric is at `/metrics`.

A default output is an answer like any other, and marked by its reason in the header X-Default-Answer. What
registers, scales, moves or removes goes on to management with the caller's token. An archive is never fetched
from a URL: models are deployed from Python, and registering makes a version current that is there.
"""
