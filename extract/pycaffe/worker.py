"""The process that runs Caffe: reads requests from its standard input, answers on its standard output.

It runs in whatever interpreter has Caffe: valid Python 2.7 and 3, with imports from numpy, caffe and the
standard library only. `channel` says what a message looks like, and is its other end. Messages that only say
``at`` which layer a request is come before its answer.
"""

# What Python 2.7 has no better way for:
# ruff: noqa: B905, F401, PTH100, PTH120, SIM115, UP004, UP020, UP032

import importlib
import io
import json
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # Python 2.7 has no typing
    from typing import Any

MAGIC = b"cnn-vis:"
LENGTH = ">Q"
FLOAT = "<f4"


class Session(object):
    """What requests share: the modules, what tells the other side how far a request is, and the networks."""

    def __init__(self, caffe, numpy, tell):
        # type: (Any, Any, Any) -> None
        self.caffe = caffe
        self.numpy = numpy
        self.tell = tell
        self.nets = {}  # type: dict[int, Any]


class Loaded(object):
    """A network, and where in it things are."""

    def __init__(self, net, inputs, names, tops):
        # type: (Any, list[Any], list[Any], list[Any]) -> None
        self.net = net
        self.blobs = net.blobs
        self.names = list(net._layer_names)
        self.places = layer_places(net, names)
        self.makers = dict.fromkeys(inputs, -1)
        for place, made in zip(self.places, tops):
            self.makers.update((native(top), place) for top in made)

    def blob(self, name):
        # type: (str) -> Any
        """Return a blob by name."""
        return self.blobs[native(name)]

    def parameter(self, key):
        # type: (list[Any]) -> Any
        """Return a parameter by the place of its layer among those kept, and its own in the layer."""
        layer, index = key
        return self.net.layers[self.places[layer]].blobs[index]

    def maker(self, name):
        # type: (str) -> int
        """Return the place of the layer that makes a blob; -1 where it is fed."""
        return self.makers[native(name)]


def load(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Build a network from its file and what to change in it."""
    caffe = session.caffe
    proto = parsed(request["file"], request["binary"])
    names = edit(proto, request["inputs"], request["layers"])
    proto.force_backward = True
    text = importlib.import_module("google.protobuf.text_format").MessageToString(proto)
    scratch = native(request["scratch"])
    with io.open(scratch, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
    net = caffe.Net(scratch, caffe.TEST)
    inputs = [native(name) for name, _ in request["inputs"]]
    loaded = Loaded(net, inputs, names, [tops for _, _, tops in request["layers"]])
    session.nets[request["net"]] = loaded
    blobs = [list(loaded.blob(name).data.shape) for name in request["blobs"]]
    parameters = [[list(b.data.shape) for b in net.layers[place].blobs] for place in loaded.places]
    return {"blobs": blobs, "parameters": parameters}, []


def copy_from(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Take the weights of a file, by Caffe's own rules."""
    session.nets[request["net"]].net.copy_from(native(request["weights"]))
    return {}, []


def forward(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Feed inputs, run, and return blobs."""
    loaded = session.nets[request["net"]]
    blobs = [loaded.blob(name) for name in request["feeds"]]
    changed = [(b, a) for b, a in zip(blobs, arrays) if b.data.shape != a.shape]
    for blob, array in changed:
        blob.reshape(*array.shape)
    if changed:
        loaded.net.reshape()
    for blob, array in zip(blobs, arrays):
        blob.data[...] = array
    loaded.net._forward(0, len(loaded.net.layers) - 1)
    return {}, [loaded.blob(name).data for name in request["blobs"]]


def backward(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Return gradients of the last forward pass: of blobs, then of parameters.

    Caffe starts at a layer and overwrites the diffs of what that reads. So the pass halts wherever a blob has
    a seed of its own, to be added to what came from above, or is asked for, before another blob that shares
    its memory changes it.
    """
    loaded = session.nets[request["net"]]
    wanted = request["blobs"]
    seeds = list(zip(request["seeds"], arrays))
    for name, array in seeds:
        shape = loaded.blob(name).data.shape
        if shape != array.shape:
            raise ValueError("the seed of {} has shape {}, not {}".format(native(name), array.shape, shape))
    parameters = [loaded.parameter(key) for key in request["parameters"]]
    # parameters add up, and what the pass does not reach keeps what it had
    for blob in list(loaded.blobs.values()) + parameters:
        blob.diff[...] = 0
    at = max(loaded.maker(name) for name, _ in seeds)
    gradients = {}  # type: dict[str, Any]
    for stop in sorted(set(map(loaded.maker, request["seeds"] + wanted)), reverse=True):
        if stop < at:
            go_back(session, loaded, at, stop + 1)
            at = stop
        for name, array in seeds:
            if loaded.maker(name) == stop:
                loaded.blob(name).diff[...] += array
        reached = [name for name in wanted if loaded.maker(name) == stop]
        gradients.update((name, loaded.blob(name).diff.copy()) for name in reached)
    lowest = min([loaded.places[layer] for layer, _ in request["parameters"]] + [at + 1])
    go_back(session, loaded, at, lowest)
    return {}, [gradients[name] for name in wanted] + [parameter.diff for parameter in parameters]


def go_back(session, loaded, start, end):
    # type: (Session, Loaded, int, int) -> None
    """Run layers backward, and say which one before each: one without a backward aborts the process."""
    for place in range(start, end - 1, -1):
        session.tell({"at": loaded.names[place]})
        loaded.net._backward(place, place)


def parameters(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Return the values of parameters."""
    loaded = session.nets[request["net"]]
    return {}, [loaded.parameter(key).data for key in request["parameters"]]


def set_parameters(session, request, arrays):
    # type: (Session, dict[str, Any], list[Any]) -> tuple[Any, Any]
    """Give parameters new values."""
    loaded = session.nets[request["net"]]
    for key, array in zip(request["parameters"], arrays):
        loaded.parameter(key).data[...] = array
    return {}, []


METHODS = {
    function.__name__: function
    for function in (load, copy_from, forward, backward, parameters, set_parameters)
}


def parsed(path, binary):
    # type: (str, bool) -> Any
    """Return a network as this Caffe's own message, so that the fields of its own layers survive."""
    message = importlib.import_module("caffe.proto.caffe_pb2").NetParameter()
    with io.open(native(path), "rb") as file:
        content = file.read()
    if binary:
        message.ParseFromString(content)
    else:
        importlib.import_module("google.protobuf.text_format").Merge(content.decode("utf-8-sig"), message)
    return message


def edit(proto, inputs, changes):
    # type: (Any, list[Any], list[Any]) -> list[Any]
    """Keep chosen layers, with other bottoms and tops, behind chosen inputs; return the layers' names."""
    form = "layer" if has_field(proto, "layer") and len(proto.layer) > 0 else "layers"
    old = list(getattr(proto, form))
    pads = {top: o.layer.pad for o in old if is_padding(o) for top in o.top}
    kept = []
    for index, bottoms, tops in changes:
        for field in ("include", "exclude", "blobs"):
            clear(old[index], field)
        layer = type(old[index])()
        layer.CopyFrom(old[index])
        if pads and layer.bottom[0] in pads:
            layer.layer.pad = pads[layer.bottom[0]]
        replace(layer.bottom, bottoms)
        replace(layer.top, tops)
        kept.append(layer)
    for field in ("input", "input_dim", "input_shape", "layer", "layers"):
        clear(proto, field)
    declare = declare_by_layers if form == "layer" and has_field(old[0], "input_param") else declare_by_fields
    declare(proto, inputs)
    getattr(proto, form).extend(kept)
    return [native(layer.layer.name if is_v0(layer) else layer.name) for layer in kept]


def declare_by_layers(proto, inputs):
    # type: (Any, list[Any]) -> None
    """Add an Input layer for each input; weights cannot be meant for its name."""
    for name, shape in inputs:
        layer = proto.layer.add(name="input:" + name, type="Input")
        layer.top.append(name)
        layer.input_param.shape.add().dim.extend(shape)


def declare_by_fields(proto, inputs):
    # type: (Any, list[Any]) -> None
    """Declare inputs as Caffe did before it had Input layers.

    Shapes of any length came later; the oldest networks cannot have them, and need not.
    """
    only_four = all(len(shape) == 4 for _, shape in inputs)
    for name, shape in inputs:
        proto.input.append(name)
        if only_four:
            proto.input_dim.extend(shape)
        else:
            proto.input_shape.add().dim.extend(shape)


def is_v0(layer):
    # type: (Any) -> bool
    """Whether a layer is written as in the first format, as a layer inside a connection."""
    return has_field(layer, "layer") and layer.HasField("layer")


def is_padding(layer):
    # type: (Any) -> bool
    """Whether a layer only pads, as the first format did it, for the layer that reads it."""
    return is_v0(layer) and layer.layer.type == "padding"


def has_field(message, name):
    # type: (Any, str) -> bool
    """Whether this Caffe's message has a field of that name."""
    return name in message.DESCRIPTOR.fields_by_name


def clear(message, name):
    # type: (Any, str) -> None
    """Empty a field, if this Caffe has it."""
    if has_field(message, name):
        message.ClearField(name)


def replace(repeated, values):
    # type: (list[Any], list[Any]) -> None
    """Put other values into a repeated field."""
    del repeated[:]
    repeated.extend(values)


def layer_places(net, names):
    # type: (Any, list[Any]) -> list[Any]
    """Return where layers are in a network into which Caffe has put Input and Split layers of its own."""
    places = []
    candidates = iter([i for i, layer in enumerate(net.layers) if layer.type != "Input"])
    own = list(net._layer_names)
    for name in names:
        places.append(next(i for i in candidates if own[i] == name))
    return places


def native(text):
    # type: (str) -> str
    """Return text as Caffe's functions take it: bytes in Python 2."""
    return text if isinstance(text, str) else text.encode("utf-8")


def receive(stream, numpy):
    # type: (io.BufferedIOBase, Any) -> tuple[Any, Any]
    """Return the header and the arrays of a message; raise EOFError where none is left."""
    start = stream.read(len(MAGIC) + struct.calcsize(LENGTH))
    if not start.startswith(MAGIC):
        raise EOFError
    header = json.loads(stream.read(struct.unpack(LENGTH, start[len(MAGIC) :])[0]).decode("utf-8"))
    arrays = []
    for shape in header["shapes"]:
        size = struct.calcsize(FLOAT[0] + "f")
        for length in shape:
            size *= length
        arrays.append(numpy.frombuffer(stream.read(size), FLOAT).reshape(shape))
    return header, arrays


def send(stream, header, arrays=(), numpy=None):
    # type: (io.BufferedIOBase, dict[str, Any], Any, Any) -> None
    """Write a message."""
    text = json.dumps(dict(header, shapes=[list(array.shape) for array in arrays])).encode("utf-8")
    stream.write(MAGIC + struct.pack(LENGTH, len(text)) + text)
    for array in arrays:
        stream.write(numpy.ascontiguousarray(array, FLOAT).tobytes())
    stream.flush()


def private_streams():
    # type: () -> tuple[Any, Any]
    """Return streams for messages, and send whatever else is printed to stderr."""
    reader, writer = io.open(os.dup(0), "rb"), io.open(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return reader, writer


def forget_own_folder():
    # type: () -> None
    """Take this file's folder off the search path, which is there for scripts: it holds other modules."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != own]


def leave_no_core():
    # type: () -> None
    """Have no core file written when Caffe aborts, where the system knows such files."""
    try:
        resource = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError):
        pass


def described(error):
    # type: (BaseException) -> str
    """Return an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def main():
    # type: () -> None
    """Say whether Caffe is here, then answer requests until there are no more."""
    reader, writer = private_streams()
    forget_own_folder()
    leave_no_core()
    try:
        numpy = importlib.import_module("numpy")
        caffe = importlib.import_module("caffe")
        if not hasattr(caffe, "Net"):
            raise ImportError("its module caffe is something else: it has no Net")
        importlib.import_module("caffe.proto.caffe_pb2")
        caffe.set_mode_cpu()
    except BaseException as error:
        send(writer, {"error": described(error)})
        return
    send(writer, {})
    session = Session(caffe, numpy, lambda header: send(writer, header))
    while True:
        try:
            request, arrays = receive(reader, numpy)
        except EOFError:
            return
        for number in request["discarded"]:
            session.nets.pop(number, None)
        try:
            header, results = METHODS[request["method"]](session, request, arrays)
        except Exception as error:
            header, results = {"error": described(error)}, []
        send(writer, header, results, numpy)


if __name__ == "__main__":
    main()
