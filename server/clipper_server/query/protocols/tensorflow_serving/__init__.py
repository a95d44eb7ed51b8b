"""TensorFlow Serving's protocol, over REST and over gRPC, without TensorFlow.

A model's name is an application's here, so that its objective, default output and policy hold; a version is
one of the model that it is linked to, where it is an int64, as TensorFlow Serving's are. All versions may
have labels, which `set_version_label` gives them.

There is one signature, `serving_default`. The first dimension counts the inputs. A default output is an
answer like any other, and marked by its reason: in the header X-Default-Answer, or in gRPC's trailing
metadata. What TensorFlow Serving has an error for gets its error, in its words.
"""
