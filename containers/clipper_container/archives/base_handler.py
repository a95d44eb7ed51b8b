"""What most handlers of TorchServe's extend, where TorchServe is not installed: a module, and four steps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..modules import imported


class BaseHandler:
    def __init__(self) -> None:
        self.model: Any = None
        self.device: Any = None
        self.map_location: Any = None
        self.context: Any = None
        self.manifest: Any = None
        self.mapping: Any = None
        self.initialized = False

    def initialize(self, context: Any) -> None:
        """Load the archive's serialized file: a program of TorchScript, or the weights of its own module."""
        import torch

        properties = context.system_properties
        gpu = properties.get("gpu_id")
        cuda = torch.cuda.is_available() and gpu is not None
        self.map_location = "cuda" if cuda else "cpu"
        self.device = torch.device(f"cuda:{gpu}" if cuda else "cpu")
        self.context, self.manifest = context, context.manifest
        about = self.manifest["model"]
        folder = Path(properties["model_dir"])
        file = about.get("serializedFile")
        weights = folder / file if file else None
        if about.get("modelFile"):
            self.model = _own_module(folder / about["modelFile"])()
            if weights is not None:
                self.model.load_state_dict(torch.load(weights, map_location=self.device))
        elif weights is not None:
            load: Any = torch.jit.load
            self.model = load(str(weights), map_location=self.device)
        if self.model is not None:
            self.model.to(self.device).eval()
        self.initialized = True

    def preprocess(self, data: list[dict[str, Any]]) -> Any:
        import torch

        rows = [row.get("data") if row.get("data") is not None else row.get("body") for row in data]
        return torch.as_tensor(rows, device=self.device)

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(data.to(self.device), *args, **kwargs)

    def postprocess(self, data: Any) -> Any:
        return data.tolist()

    def handle(self, data: Any, context: Any) -> Any:
        self.context = context
        ready = self.preprocess(data)
        if context.get_request_header(0, "explain") == "True":
            return self.explain_handle(ready, data)
        return self.postprocess(self.inference(ready))

    def explain_handle(self, data_preprocess: Any, raw_data: list[dict[str, Any]]) -> Any:
        """Of one request: why its output, or that of a target which it names, is what it is."""
        row = raw_data[0]
        given = row.get("data") if row.get("data") is not None else row.get("body")
        return self.get_insights(data_preprocess, given, row.get("target") or 0)

    def get_insights(self, tensor_data: Any, raw_data: Any, target: Any = 0) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} has no get_insights(tensor_data, raw_data, target), which explains a "
            "prediction. Archive it with one."
        )


def _own_module(file: Path) -> Any:
    """The class in the archive's model file: the only one there that is a module of PyTorch's."""
    import torch

    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    found = imported(file)
    kinds = [
        each
        for each in vars(found).values()
        if isinstance(each, type) and issubclass(each, torch.nn.Module) and each.__module__ == found.__name__
    ]
    if len(kinds) != 1:
        raise ValueError(f"{file.name} is to have one class that is a torch.nn.Module, and has {len(kinds)}.")
    return kinds[0]
