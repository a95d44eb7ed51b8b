"""The model that tells of its batches, as MLServer's, in whose environment it runs."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from .batches import answers


class Batches(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("output", np.array(answers(rows.tolist())))
        return InferenceResponse(model_name=self.name, outputs=[output])
