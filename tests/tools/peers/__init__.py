"""Other systems' own clients and models, each in an environment of its own: `make peers`.

Most are large, and their packages would be in ours: so they are under build/peers/, and what they send and
how they read what is answered is recorded in tests/golden/, where every test run looks. boto3 is small, and
continuous integration makes its environment too.
"""
