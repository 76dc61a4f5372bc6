"""Tables of models: those that are shipped, and some that are made up."""

from pipeline.models.schema import load_shipped_model, parse_model

WAN = load_shipped_model("model_wan-2-7-image")
PRO = load_shipped_model("model_wan-2-7-image-pro")
assert WAN is not None
assert PRO is not None


def make_model(*inputs):
    return parse_model({"id": "model_x", "inputs": list(inputs)}, source="live")
