"""A stand-in for a Kubernetes cluster, for tests: the API server's real HTTP in front of a small imitation.

It keeps objects as the real one does, and runs pods as processes of this machine. It is no Kubernetes:

- Nothing is isolated. Containers see the whole machine, and run as the user of the tests; security contexts,
  NetworkPolicies, read-only file systems and CPU limits are kept and not enforced. A memory limit is, by
  looking at the process now and then.
- Images are not pulled. Ours are the packages of this environment; others must bring a `command`.
- Volumes are folders, whose paths are put in the place of mount paths in commands and environments.
- HorizontalPodAutoscalers see the CPU that the test names, and decide at once.
- Ingresses, StatefulSets, DaemonSets and Jobs are kept, and nobody acts on them.
- It needs Linux, where all of 127.0.0.0/8 are addresses of this machine.

What the real one says (conditions, events, refusals) it says in the same words, as far as they are known.
"""

from .stand_in import CONTEXT, StandIn

__all__ = ["CONTEXT", "StandIn"]
