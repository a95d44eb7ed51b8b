"""What a replica has of the environment of whoever started the cluster: what programs need, and no secrets.

Keys of clouds and of hubs are variables too, and a model is often somebody else's code. What it needs of
them it is given by name, with `env=` on its deploy.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ"),
    *("TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV", "CONDA_PREFIX"),
    # Where libraries find certificates, and keep what they have fetched.
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME"),
    "CLIPPERLAB_HOME",  # whose it is
}
_BEGINNINGS = (
    "LC_",
    "LD_",
    "DYLD_",
    "PYTHON",
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "HIP_",
    "ROCR_",
    "OMP_",
    "KMP_",
    "MKL_",
)
_ENDS = ("_NUM_THREADS",)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_BEGINNINGS) or name.endswith(_ENDS)
    }
