"""Exceptions of Python, which travel over HTTP by the name of their class."""

from __future__ import annotations

import inspect

from clipper_container import errors

from .entry import Entry

_TO_DO = {
    "ClipperException": (
        "Read its sentence: it says what to do. Its subclasses tell what kind of trouble it is."
    ),
    "UnconnectedException": (
        "Call conn.start_clipper() for a new cluster, or conn.connect() for one that runs."
    ),
    "ClusterError": "`clipperlab doctor` says what is wrong with the machine, `clipperlab status` what runs.",
    "BadRequest": "Change the value that the sentence names.",
    "TooLarge": (
        "Send it in parts, or as binary tensors; max_inputs and max_json of start_clipper move the limits."
    ),
    "Unauthorized": "Send the token of the cluster's cluster.json as a bearer token.",
    "NotFound": "Take one of the names that the sentence lists.",
    "AlreadyExists": 'Take another name or number; the version "next" counts by itself.',
    "DeployError": (
        "The traceback is the model's: mend it and deploy again. The version before it still serves."
    ),
    "ArtifactError": "Make what cannot travel inside the function; the page on functions has the rules.",
    "NoRoom": "Make room on the disk of the cluster, remove versions that nobody needs, and deploy again.",
    "CallFailed": "In a pipeline: catch it, or give the call a default=. Its reason is one of those above.",
    "WireError": "The two ends are of different versions: start the cluster anew with the installed one.",
}

ERRORS = tuple(
    Entry("error", name, " ".join((inspect.getdoc(getattr(errors, name)) or "").split()), to_do)
    for name, to_do in _TO_DO.items()
)
