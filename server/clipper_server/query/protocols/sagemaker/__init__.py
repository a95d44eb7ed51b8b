"""What clients of Amazon SageMaker ask: the runtime's `InvokeEndpoint`, and what its containers answer.

An endpoint is an application. A production variant is a version of a model that it is linked to, or
model:version, and so is every arm of its policy. At `/invocations`, where SageMaker asks a container,
MLflow's clients ask too, with the four forms that they have for JSON; it is the only application there is,
or `/{application}/invocations`.

A default output is an answer like any other, and marked by its reason in the header X-Default-Answer. What
SageMaker has an error for gets its error, as botocore reads it. Streams, asynchronous calls and models by
name within an endpoint are refused.

Signatures are not looked at where this machine alone reaches the port and no key was given for it. Elsewhere
a request is answered that is signed with that key, and none without it.
"""
