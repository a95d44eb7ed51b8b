"""What other servers of the protocol have, and why it is not here."""

from __future__ import annotations

NO_SHARED_MEMORY = "no memory is shared with clients, which may be far away: send the bytes of the tensors"
NO_REGIONS = "No memory is shared with clients, which may be far away. Send the bytes of the tensors."
NO_TRACE = "There are no settings of traces: every query has one, which a notebook shows."
NO_LOGGING = "There are no settings of the log, which get_clipper_logs fetches, from Python."
NO_EXPLAIN = "Explanations are not served. Deploy the explainer as a model, and ask it by :predict."
NO_SEQUENCES = (
    "a request stands alone, and sequences of them are not kept: leave the sequence's parameters out"
)
NO_PRIORITY = "requests have no priority: leave that out, and give a timeout to those that cannot wait"
