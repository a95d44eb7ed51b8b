"""The workbench in a notebook: live views, the panel, and what they are made of.

Everything here asks the cluster over HTTP, and holds no state of its own that a kernel's restart could lose.
Needs ipywidgets and anywidget: `pip install "clipperlab[lab]"`.
"""
