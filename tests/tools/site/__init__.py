"""The site of the documentation: `make docs`, which is `python -m tests.tools.site`.

`stage` puts together what is written (docs/, the lessons, the changelog) and what is made of the code (commands,
routes, metrics, codes), in build/pages; `__main__` has Sphinx make build/site of it.
"""
