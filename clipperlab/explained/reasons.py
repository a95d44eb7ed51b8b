"""Why there is no output: of an application, of an arm of its policy, of a model that was called, or of a
shadow.
"""

from __future__ import annotations

from .entry import entries

REASONS = entries(
    "reason",
    {
        "no_model_linked": (
            "The application has no model.",
            "Link one: conn.link_model_to_app(application, model).",
        ),
        "no_replicas": (
            "No replica of the model's current version runs: it was scaled to none, its replicas crashed, or "
            "the model has no current version, as none was deployed, or it was removed.",
            "Look at conn.models[model] and conn.events(); scale it up with conn.set_num_replicas, go "
            "back with conn.rollback, or make a version current with conn.set_model_version.",
        ),
        "starting": (
            "The replicas are still loading the model, or one is being started because somebody asked.",
            "Ask again in a moment. Where that happens often, keep one replica: "
            "conn.set_autoscaling(model, 1, ...).",
        ),
        "model_error": (
            "The model raised an exception for this input. The explanation has the exception and the line.",
            "Try the input in the notebook, or with clipperlab.serve under a debugger. Deploy a mended "
            "version, or go back: conn.rollback(model).",
        ),
        "wrong_output_length": (
            "The model returned more or fewer outputs than it got inputs.",
            "Return one output for each input, in their order: a model gets a batch.",
        ),
        "bad_output": (
            "The model returned something that cannot be sent, such as an object that JSON has no form for.",
            "Return numbers, texts, lists, dictionaries or arrays: the page on functions lists what may "
            "be returned.",
        ),
        "call_failed": (
            "A pipeline called a model that has no output, and has no default for it; or the server of a "
            "remote model did not answer.",
            "conn.why(query_id) shows which call failed, and why. Give that call a default=, or mend its "
            "model.",
        ),
        "replica_lost": (
            "The replica died while it had the query, and there was no time to ask another one.",
            "Its last words are in conn.events() and in its log. Set resources= where it ran out of memory.",
        ),
        "deadline": (
            "No output was there when the objective, or the query's own timeout, was over.",
            "See with why(query_id) where the time went. Where it waited for a replica, add replicas; "
            "where the model computed too long, make it quicker or the objective longer.",
        ),
        "overload": (
            "It was clear from the queue, or from what is under way, that there is no answer in time: the"
            " query was not kept waiting in vain.",
            "Add replicas with conn.set_num_replicas, let conn.set_autoscaling do it, or send less.",
        ),
        "low_confidence": (
            "The models of a vote did not agree enough, or too few of them had a number in time: the "
            "confidence is below min_confidence.",
            "Answer such queries otherwise, or lower min_confidence of the policy. Where numbers were late, "
            "why(query_id) says of which model.",
        ),
        "internal_error": (
            "A fault of Clipper Lab itself. It has status 500, and the log of the query frontend has the "
            "traceback.",
            "Look at conn.get_clipper_logs(), and report it with what they say.",
        ),
        "not_needed": (
            "The model was not waited for: without it the answer was already certain, or its client was "
            "gone.",
            "",
        ),
        "no_time": (
            "The next model of a cascade was not asked: it takes longer than the time that was left.",
            "The cheap answer stands, and says partial. Make the objective longer where the dear one "
            "should be asked.",
        ),
        "undeclared": (
            "A pipeline called a model that it was not deployed with.",
            "Name it in uses= of the deploy.",
        ),
        "bad_input": (
            "A pipeline called a model with an input of another type than that model takes, or one too "
            "large; or feedback brought such an input.",
            "The explanation says what it takes. Convert it before the call.",
        ),
        "too_deep": (
            "A pipeline calls a pipeline that calls a pipeline, more than eight deep.",
            "Call the models directly.",
        ),
        "not_ready": (
            "A shadow was not asked: it has no replica that is ready.",
            "Look at conn.models[model] and conn.events(). Its current version answers meanwhile.",
        ),
        "too_many": (
            "A shadow was not asked: as many inputs are with it already as a query frontend keeps for it.",
            "Ask it for a smaller fraction of the inputs, or give it more replicas.",
        ),
        "busy": (
            "A shadow was not asked: the query frontend had no time to spare, and users come first.",
            "Ask it for a smaller fraction of the inputs, or start the cluster with more query frontends.",
        ),
        "frontend_gone": (
            "The query frontend that a pipeline was asked by ended during the call.",
            "Nothing: the client's own retry reaches another one. Where it happens often, see conn.events().",
        ),
    },
)
