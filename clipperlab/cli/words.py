"""Advice in the words of the command line, and of a notebook's magics: what to type here, where a sentence
names a call of Python.
"""

from __future__ import annotations

import re

PROGRAM = "clipperlab"
MAGIC = "%clipper"
_COMMANDS = {
    "status": "status",
    "events": "events",
    "why": "why",
    "protocols": "protocols",
    "get_clipper_logs": "logs",
    "get_model_info": "versions",
    "stop_versioned_models": "remove",
    "set_model_version": "set-version",
    "set_num_replicas": "scale",
    "set_autoscaling": "scale --min",
    "unregister_application": "unregister",
    "register_application": "register",
    "link_model_to_app": "link",
    "unlink_model_from_app": "unlink",
    "set_version_label": "label",
    "rollback": "rollback",
    "set_policy": "policy",
    "collect_feedback": "collect",
    "rollout": "rollout",
    "start_rollout": "rollout",
    "start_shadow": "shadow",
}


def _call(method: str) -> str:
    """A pattern for how sentences name it: a word that means something else, too, is a call of nothing, or
    conn's.
    """
    if "_" in method:
        return rf"(?<![`.])\b(?:conn\.)?{method}\b(?:\([^()]*\))?"
    return rf"(?<![`.])\b(?:conn\.{method}\b(?:\([^()]*\))?|{method}\(\))"


# A sentence is read from the top: what is longer comes first.
_CONNECTING = [
    (r"(?:start_clipper|connect)\(\), or (`clipperlab start[^`]*`),", r"\1"),
    (
        r"conn\.start_clipper\(\) for a new cluster, or conn\.connect\(\) for one that runs",
        "`clipperlab start`",
    ),
    (r"start_clipper\(fresh=True\) removes it and starts anew", "`clipperlab stop --purge` removes it"),
    (r"start_clipper\(fresh=True\) starts without it", "`clipperlab stop --purge` removes it"),
    # With arguments, which say what it does, it stays.
    (r"(?<![`.])\b(?:conn\.)?start_clipper(?:\(\)|\b(?!\())", "`clipperlab start`"),
    (_call("connect"), "`clipperlab start`"),
]
_CALLS = [
    (r"set_autoscaling\('([^']+)', None\)", r"`clipperlab scale \1`, with a number,"),
    (r"(?<!`)\bstart_clipper\(protocols=\[\.\.\.\]\)", "`clipperlab start --protocol`"),
    (r"(?<!`)\bstart_protocol\('([^']+)'\)", r"`clipperlab protocols start \1`"),
    (r"(?<!`)\bstop_protocol\('([^']+)'\)", r"`clipperlab protocols stop \1`"),
    (r"(?<!`)\bcollect_feedback\('([^']+)'\)", r"`clipperlab collect \1`"),
    (r"(?<!`)\bcollect_feedback takes a window_s", "`clipperlab collect --window-s` changes that"),
    (
        r"(?<!`)\bconn\.collect_feedback\(application, window_s=\.\.\.\)",
        "`clipperlab collect --window-s`",
    ),
    (r"(?<!`)\bfeedback\(\.\.\., wait=True\)", "`clipperlab feedback --wait`"),
    (r"`conn\.rollout\([^)]*\)`", "`clipperlab rollout`"),
    (r"`conn\.shadow\([^)]*\)\.stop\(\)`", "`clipperlab shadow --stop`"),
    (r"\bconn\.models\[model\]", "`clipperlab versions`"),
    *((_call(method), f"`clipperlab {command}`") for method, command in _COMMANDS.items()),
    (r"\bnum_replicas=(\d+)", r"--replicas \1"),
]
_ARGUMENTS = [
    (r"\bP\.NoLess\(\"reward\", by=([\d.]+)\)", r"--reward-by \1"),
    (r'\bapplications="all"', "--all"),
    (r"\brollout=(?![\w'\"])", "--canary"),
    (r"(?<!`)\bpkgs_to_install=\['([^']+)'\]", r"--requirement \1"),
    (r"(?<!`)\binputs=\[\.\.\.\]", "--input"),
    (r"(?<!`)\bexample_input=(?![\w'\"\[])", "--example-input"),
    (r"(?<!`)\bresources= where it ran", "--memory where it ran"),
]


def typed(*words: str, on: str = "process", program: str = PROGRAM) -> str:
    """A command as somebody types it, for a cluster on what this one is on."""
    return " ".join([program, *([] if on == "process" else ["--on", on]), *words])


def translated(sentence: str, on: str = "process", program: str = PROGRAM) -> str:
    """The sentence, with commands in the place of Python's calls; what a model said stays as it was."""
    return _translated(sentence, [*_CONNECTING, *_CALLS, *_ARGUMENTS], typed("", on=on, program=program))


def in_a_cell(sentence: str) -> str:
    """It beside `%%deploy`, whose connection was made by a call, and which has few of the arguments."""
    told = _translated(sentence, _CALLS, typed("", program=MAGIC))
    if re.search(r"\b(?:Give|Deploy with|deploy it with) \w+=", sentence):
        told += "\n%%deploy has no option for that: conn.deploy(predict, ...) takes it."
    return told


def _translated(sentence: str, calls: list[tuple[str, str]], before: str) -> str:
    ours, of_a_model, said = _parted(sentence)
    for call, command in calls:
        ours = re.sub(call, command, ours)
    return ours.replace("`clipperlab ", f"`{before}") + of_a_model + said


def _parted(sentence: str) -> tuple[str, str, str]:
    """What is ours, and what a model said: its last words, or a traceback."""
    found = re.search(r"[Ll]ast words: |before it was ready:|Traceback \(most recent call last\)", sentence)
    return (sentence, "", "") if found is None else sentence.partition(found[0])
