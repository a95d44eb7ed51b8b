"""Why feedback was not taken."""

from __future__ import annotations

from .entry import entries

FEEDBACK = entries(
    "feedback",
    {
        "forged": (
            "The token was not made by this cluster, is not whole, or its key is too old.",
            "Send the feedback_token as it stands in the answer.",
        ),
        "no_decision": (
            "This query frontend knows no decision of that query id: it is another one's, too long ago, "
            "or the answer was a default output or of a version that the request named.",
            "Send the answer's feedback_token in the place of the id.",
        ),
        "no_output": (
            "What the models said was too large for the token, and could not be had again in time.",
            'Send "input" beside the label, and again where it was not in time.',
        ),
        "label_needed": (
            "Several models made the answer, and a reward does not tell which of them was right.",
            "Send a label.",
        ),
        "bad_label": (
            "The label is of another type than what the models said.",
            "Send a label such as the model's outputs are.",
        ),
        "bad_input": (
            "The input beside the label is of another type than the application takes.",
            "Send the input of the query as it was.",
        ),
        "out_of_range": ("The reward is not from 0 to 1.", "Scale it."),
        "expired": (
            "The answer is older than the application's window for feedback.",
            "Send it earlier, or make the window longer: conn.collect_feedback(application, window_s=...).",
        ),
        "other_application": (
            "The answer is another application's.",
            "Send it to the application that gave the answer.",
        ),
        "collects_none": (
            "The application collects no feedback.",
            "conn.collect_feedback(application) begins it.",
        ),
        "unknown_application": ("The application is gone, or collects no more feedback.", ""),
        "full": (
            "Management is behind, and the query frontend has no room for more feedback.",
            "Send it again later.",
        ),
    },
)
