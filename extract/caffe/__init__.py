"""Caffe networks, without Caffe: a prototxt and its weights become an ONNX graph."""
