"""Random requests beside an honest neighbour, who must not miss an answer.

`python -m tests.tools.fuzz http 10000`
"""
