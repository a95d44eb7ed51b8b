"""The place `process`: a cluster is processes of this machine, and a folder."""
