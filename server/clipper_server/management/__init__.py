"""The control plane: the desired state, and the reconciler that makes the world agree with it.

api ─▶ control ─▶ state ─▶ snapshots ─▶ query frontends
                     └──▶ reconciler ─▶ a container manager ─▶ replicas, query frontends
"""
