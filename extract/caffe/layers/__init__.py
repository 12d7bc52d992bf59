"""Rules that turn layers into ONNX nodes, a module a kind of layer; `rules.rules` finds them all."""
