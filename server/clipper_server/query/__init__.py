"""The data plane: one query's path, from bytes in to bytes out.

    http ─▶ clipper_protocol ─▶ application ─▶ policy ─▶ queue ─▶ replicas ─▶ (a model container)

`frontend` puts them together in one process; `configuration` keeps them as management wants them.
"""
