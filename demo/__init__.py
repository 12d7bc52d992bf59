"""The demonstration: fetches trained weights and a picture, and makes an ONNX model of them."""
