"""The data plane: one query's path, from bytes in to bytes out.

    http ─▶ protocols ─▶ application ─▶ policy ─▶ cache ─▶ queue ─▶ replicas ─▶ (a model container)

The queue forms batches by a way of batching, which knows from `latency` what they take.
`frontend` puts the parts together in one process; `configuration` keeps them as management wants them.
"""
