"""The place `docker`: a cluster is containers of one engine, on networks of its own."""
