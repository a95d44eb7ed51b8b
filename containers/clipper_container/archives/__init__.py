"""Model archives (.mar) of TorchServe and multi-model-server: what their handlers find around them."""
