"""`python -m tests.tools.compare`: ours and other systems at the same work, on this machine, in one run."""
