"""The place `kubernetes`: a cluster is a namespace of Kubernetes, and what is in it."""
