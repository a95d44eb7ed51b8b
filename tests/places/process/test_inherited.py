from __future__ import annotations

from clipper_server.places.process.inherited import inherited


def test_a_replica_has_what_programs_need_and_no_keys() -> None:
    needed = {
        **{"PATH": "/bin", "HOME": "/home/ada", "LANG": "C.UTF-8", "LC_ALL": "C", "TZ": "UTC"},
        **{
            "VIRTUAL_ENV": "/venv",
            "PYTHONPATH": "/code",
            "LD_LIBRARY_PATH": "/lib",
            "TMPDIR": "/scratch",
            "CLIPPERLAB_HOME": "/h",
        },
        **{"CUDA_HOME": "/cuda", "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    }
    secrets = {
        **{"AWS_SECRET_ACCESS_KEY": "k", "JUPYTERHUB_API_TOKEN": "t", "HF_TOKEN": "t", "SSH_AUTH_SOCK": "/s"},
        **{"HTTPS_PROXY": "http://ada:word@proxy", "CLIPPER_TOKEN": "t", "GITHUB_TOKEN": "t"},
    }
    assert inherited(needed | secrets) == needed
