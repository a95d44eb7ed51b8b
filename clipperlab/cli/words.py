"""Advice in the words of the command line: what to type here, where a sentence names a call of Python."""

from __future__ import annotations

import re

# A sentence is read from the top: what is longer comes first.
_CALLS = [
    (r"(?:start_clipper|connect)\(\), or (`clipperlab start[^`]*`),", r"\1"),
    (r"start_clipper\(fresh=True\) removes it and starts anew", "`clipperlab stop --purge` removes it"),
    (r"(?<!`)\bstart_clipper\(\)", "`clipperlab start`"),
    (r"(?<!`)\bstart_clipper\(protocols=\[\.\.\.\]\)", "`clipperlab start --protocol`"),
    (r"(?<!`)\bstart_protocol\('([^']+)'\)", r"`clipperlab protocols start \1`"),
    (r"(?<!`)\bstop_protocol\('([^']+)'\)", r"`clipperlab protocols stop \1`"),
    (r"(?<!`)\bconnect\(\)", "`clipperlab start`"),
    (r"(?<!`)\bstatus\(\)", "`clipperlab status`"),
    (r"(?<!`)\bget_clipper_logs\(\)", "`clipperlab logs`"),
    (r"(?<!`)\bget_model_info\(\)", "`clipperlab versions`"),
    (r"(?<!`)\bstop_versioned_models(?:\(\))?", "`clipperlab remove`"),
    (r"(?<!`)\bset_model_version(?:\(\))?", "`clipperlab set-version`"),
    (r"(?<!`)\bset_num_replicas(?:\(\))?", "`clipperlab scale`"),
    (r"(?<!`)\bunregister_application(?:\(\))?", "`clipperlab unregister`"),
    (r"(?<!`)\bregister_application(?:\(\))?", "`clipperlab register`"),
    (r"(?<!`)\blink_model_to_app(?:\(\))?", "`clipperlab link`"),
    (r"(?<!`)\bunlink_model_from_app(?:\(\))?", "`clipperlab unlink`"),
    (r"(?<!`)\bset_version_label(?:\([^)]*\))?", "`clipperlab label`"),
    (r"(?<!`)\brollback\(\)", "`clipperlab rollback`"),
    (r"(?<!`)\bset_policy(?:\(\))?", "`clipperlab policy`"),
    (r"`conn\.rollout\([^)]*\)`", "`clipperlab rollout`"),
    (r"`conn\.shadow\([^)]*\)\.stop\(\)`", "`clipperlab shadow --stop`"),
    (r"(?<!`)\b(?:conn\.)?start_rollout(?:\([^)]*\))?", "`clipperlab rollout`"),
    (r"(?<!`)\b(?:conn\.)?start_shadow(?:\([^)]*\))?", "`clipperlab shadow`"),
    (r"\bP\.NoLess\(\"reward\", by=([\d.]+)\)", r"--reward-by \1"),
    (r'\bapplications="all"', "--all"),
    (r"(?<!`)\bfeedback\(\.\.\., wait=True\)", "`clipperlab feedback --wait`"),
    (r"\brollout=", "--canary"),
    (r"\bnum_replicas=(\d+)", r"--replicas \1"),
    (r"(?<!`)\bpkgs_to_install=\['([^']+)'\]", r"--requirement \1"),
]


def typed(*words: str, on: str = "process") -> str:
    """A command as somebody types it, for a cluster on what this one is on."""
    return " ".join(["clipperlab", *([] if on == "process" else ["--on", on]), *words])


def translated(sentence: str, on: str = "process") -> str:
    """The sentence, with commands in the place of Python's calls."""
    for call, command in _CALLS:
        sentence = re.sub(call, command, sentence)
    return sentence.replace("`clipperlab ", f"`{typed('', on=on)}")
