"""Kinds of events, as conn.events() and `clipperlab events` have them."""

from __future__ import annotations

from .entry import entries

EVENTS = entries(
    "event",
    {
        "application": ("An application was registered, changed or removed.", ""),
        "artifact": ("A packaged model was removed, because no version has it any more.", ""),
        "batching": ("The way in which a version batches was changed.", ""),
        "crash": (
            "A process ended by itself. The event has its last words; another one is started.",
            "Read the last words; the whole log is in conn.get_clipper_logs().",
        ),
        "crash_loop": (
            "The replicas of a version crash again and again, and are started ever less often.",
            "Read their last words, and go back: conn.rollback(model).",
        ),
        "current": ("Another version of a model became the current one.", ""),
        "deploy": ("A version was accepted, and is being started.", ""),
        "error": (
            "Something could not be done, and is tried again.",
            "Its sentence says what. `clipperlab doctor` looks at the machine.",
        ),
        "failed": (
            "A version did not come up. The version before it still serves.",
            "The event has the model's traceback: mend it and deploy again.",
        ),
        "feedback": ("An application began or ended to collect feedback.", ""),
        "frontend": (
            "A query frontend says nothing, and is restarted or waited for no longer.",
            "Where it comes again, look at its log and at the machine's load.",
        ),
        "hang": (
            "A replica worked far too long on a batch. It was ended, and another one started.",
            "Look for what the model waits for; hang_after_s= of the deploy says how long it may.",
        ),
        "label": ("A label of a model was moved to another version, or removed.", ""),
        "learned": ("What was learned of feedback was changed or forgotten.", ""),
        "link": ("A model was linked to an application, or unlinked.", ""),
        "management": ("Management has started. What was deployed is found again.", ""),
        "notice": (
            "A replica has something to tell, such as that the server of a remote model does not answer.",
            "Its sentence says what.",
        ),
        "policy": ("An application chooses among its models in another way.", ""),
        "protocol": (
            "A protocol with ports of its own was started or stopped, or cannot be opened.",
            "conn.protocols() shows which are on, and where.",
        ),
        "ready": ("All replicas of a version are ready at every query frontend.", ""),
        "refused": (
            "A query frontend closed the connection of a replica that broke the protocol or its promises.",
            "Its sentence says how. A model that writes to the replica's own connection does this.",
        ),
        "removed": ("A version was removed.", ""),
        "rollout": (
            "A rollout was started, moved a step, was steered, succeeded or was turned back.",
            "conn.rollout(model) has the evidence.",
        ),
        "scale": ("The wanted number of replicas changed, by hand or with the load.", ""),
        "shadow": ("A shadow was started or stopped, or stopped by itself.", ""),
        "start": ("A replica or a query frontend is being started.", ""),
        "stop": ("A replica or a query frontend is being stopped, or has stopped as asked.", ""),
        "trouble": (
            "The place does not run what it should: an image that cannot be pulled, no node with a GPU, too "
            "little memory.",
            "Its sentence says what is missing.",
        ),
        "warning": (
            "A version is ready, and something about it is not as it was where it was packaged; or the "
            "cluster was started again and answers queries at another address, for its old one is taken.",
            "Its sentence says what. Most often a package is of another version.",
        ),
    },
)
