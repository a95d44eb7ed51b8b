"""The site of the documentation: `make docs`, which is `python -m tests.tools.site`.

`stage` puts together, in build/pages, what is written (docs/, the lessons, the changelog) and what is made of
the code (commands, routes, metrics, codes); `__main__` has Sphinx make a version in
build/site of it.
"""
