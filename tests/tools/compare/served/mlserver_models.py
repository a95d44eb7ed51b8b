"""The models as MLServer's, a class for each."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from .models import MODELS


class Served(MLModel):
    async def load(self) -> bool:
        self.model = MODELS[self.name]()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("output", np.array(self.model(rows)).reshape(-1, 1))
        return InferenceResponse(model_name=self.name, outputs=[output])
