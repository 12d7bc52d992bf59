"""The pycaffe engine without Caffe: a module of that name, written here, stands in for it.

tests/caffe/ has the tests with real Caffe.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import extract.pycaffe
from extract.caffe.draft import ImportedLayer
from extract.caffe.net import Net, NetInput, NetLayer
from extract.caffe.schema import message
from extract.errors import ModelError
from extract.pycaffe import CaffeProcess, Edits, LayerEdit, edits, find_caffe
from extract.pycaffe.log import last_words

WORKER = Path(extract.pycaffe.__file__).with_name("worker.py")

# A Caffe whose layers add their ``amount``: a field that no other Caffe has. It prints to all that it can.
FAKE = """
import os, sys, time
import numpy
from google.protobuf import text_format
from caffe.proto import caffe_pb2
TEST = 1
__version__ = "fake"
os.write(1, b"noise on a descriptor\\n")
print("noise in Python")

def set_mode_cpu():
    pass

def native(text):
    return text if isinstance(text, str) else text.encode("utf-8")

class Blob(object):
    def __init__(self, shape):
        self.reshape(*shape)
    def reshape(self, *shape):
        self.data, self.diff = numpy.zeros(shape, "f"), numpy.ones(shape, "f")

class Layer(object):
    def __init__(self, kind, blobs=()):
        self.type, self.blobs = kind, list(blobs)

class Net(object):
    def __init__(self, path, phase):
        proto = caffe_pb2.NetParameter()
        assert isinstance(path, str)
        text_format.Merge(open(path).read(), proto)
        assert proto.force_backward and phase == TEST
        self.proto = list(proto.layer)
        self.blobs, self.layers, self._layer_names = {}, [], []
        for layer in self.proto:
            given = layer.type == "Input"
            shape = layer.input_param.shape[0].dim if given else self.bottom(layer).data.shape
            self.blobs[native(layer.top[0])] = Blob(shape)
            self.layers.append(Layer(layer.type))
            self._layer_names.append(native(layer.name))
        self.reshape()
    def bottom(self, layer):
        return self.blobs[native(layer.bottom[0])]
    def top(self, layer):
        return self.blobs[native(layer.top[0])]
    def reshape(self):
        for layer in self.proto:
            if layer.type != "Input":
                self.top(layer).reshape(*self.bottom(layer).data.shape)
    def copy_from(self, path):
        os.write(1, b"reading\\n")
        raise RuntimeError("Could not open\\n" + os.path.basename(path))
    def _forward(self, start, end):
        for layer in self.proto[start : end + 1]:
            if layer.type == "Sleep":
                time.sleep(60)
            if layer.type == "Die":
                os.write(2, b"I0101 00:00:00.000000     1 net.cpp:1] all is well\\nthe last words\\n")
                os._exit(3)
            if layer.type == "Kill":
                os.kill(os.getpid(), 9)
            if layer.type != "Input":
                self.top(layer).data[...] = self.bottom(layer).data + layer.amount
    def _backward(self, start, end):
        for layer in reversed(self.proto[end : start + 1]):
            if layer.type == "NoReturn":
                os._exit(4)
            if layer.type == "Refuse":
                raise RuntimeError("not in this direction")
            if layer.type != "Input":
                self.bottom(layer).diff[...] = self.top(layer).diff
"""
FAKE_PB2 = '''
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
try:
    from google.protobuf.message_factory import GetMessageClass
except ImportError:
    from google.protobuf.message_factory import MessageFactory
    GetMessageClass = MessageFactory().GetPrototype
file = text_format.Merge("""
name: "caffe.proto" package: "caffe"
message_type { name: "BlobShape" field { name: "dim" number: 1 label: LABEL_REPEATED type: TYPE_INT64 } }
message_type { name: "InputParameter"
  field { name: "shape" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".caffe.BlobShape" } }
message_type { name: "LayerParameter"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "type" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "bottom" number: 3 label: LABEL_REPEATED type: TYPE_STRING }
  field { name: "top" number: 4 label: LABEL_REPEATED type: TYPE_STRING }
  field { name: "input_param" number: 143 label: LABEL_OPTIONAL type: TYPE_MESSAGE
    type_name: ".caffe.InputParameter" }
  field { name: "amount" number: 999 label: LABEL_OPTIONAL type: TYPE_FLOAT } }
message_type { name: "NetParameter"
  field { name: "force_backward" number: 5 label: LABEL_OPTIONAL type: TYPE_BOOL }
  field { name: "layer" number: 100 label: LABEL_REPEATED type: TYPE_MESSAGE
    type_name: ".caffe.LayerParameter" } }
""", descriptor_pb2.FileDescriptorProto())
pool = descriptor_pool.DescriptorPool()
pool.Add(file) if not hasattr(pool, "AddSerializedFile") else pool.AddSerializedFile(file.SerializeToString())
NetParameter = GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))
'''
PROTOTXT = """
layer { name: "in" type: "Input" top: "x" }
layer { name: "größe 1" type: "Add" bottom: "x" top: "y" amount: 1 }
layer { name: "two" type: "Add" bottom: "y" top: "y" amount: 10 }
"""
EDITS = Edits(
    (NetInput("x", (2, 3)),),
    (LayerEdit("größe 1", 1, ("x",), ("y@größe 1",)), LayerEdit("two", 2, ("y@größe 1",), ("y",))),
)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Return a folder where ``import caffe`` finds the fake."""
    folder = tmp_path / "modules"
    (folder / "caffe" / "proto").mkdir(parents=True)
    (folder / "caffe" / "__init__.py").write_text(FAKE, encoding="utf-8")
    (folder / "caffe" / "proto" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "caffe" / "proto" / "caffe_pb2.py").write_text(FAKE_PB2, encoding="utf-8")
    return folder


@pytest.fixture
def process(modules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaffeProcess]:
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    with CaffeProcess(sys.executable) as process:
        yield process


@pytest.fixture
def prototxt(tmp_path: Path) -> Path:
    path = tmp_path / "großer Ordner" / "net.prototxt"
    path.parent.mkdir()
    path.write_text(PROTOTXT, encoding="utf-8")
    return path


def launcher(path: Path, *lines: str) -> Path:
    """Write a program of the shell."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return path


def works(*command: str) -> bool:
    """Whether a program is on the PATH and ends well."""
    found = shutil.which(command[0])
    return found is not None and not subprocess.run(command, capture_output=True, check=False).returncode


def check_values(process: CaffeProcess, prototxt: Path) -> None:
    net = process.load(prototxt, None, EDITS)
    assert net.blobs == {"x": (2, 3), "y@größe 1": (2, 3), "y": (2, 3)}
    x = np.arange(12).reshape(4, 3)
    one, two = net.forward({"x": x}, ["y@größe 1", "y"])
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, x + 1)
    np.testing.assert_array_equal(two, x + 11)
    (gradient,) = net.backward({"y": x, "y@größe 1": np.ones((4, 3))}, ["x"])
    np.testing.assert_array_equal(gradient, x + 1)


def test_values_pass_whatever_is_printed(process: CaffeProcess, prototxt: Path) -> None:
    check_values(process, prototxt)


@pytest.mark.parametrize("python", ["python2.7", "python3.6", "python3.14"])
def test_other_pythons_run_the_worker(
    modules: Path, prototxt: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    if not works(python, "-c", "import numpy, google.protobuf"):
        pytest.skip(f"no {python} with numpy and protobuf on the PATH")
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    with CaffeProcess(python) as process:
        check_values(process, prototxt)


@pytest.mark.parametrize("python", ["python2.7", "python3.6", "python3.14"])
def test_other_pythons_compile_the_worker(tmp_path: Path, python: str) -> None:
    if not works(python, "--version"):
        pytest.skip(f"no {python} on the PATH")
    shutil.copy(WORKER, tmp_path / "worker.py")
    subprocess.run([python, "-m", "py_compile", str(tmp_path / "worker.py")], check=True)


def test_what_caffe_raises_is_one_line(process: CaffeProcess, prototxt: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.caffemodel"
    weights.write_bytes(b"")
    with pytest.raises(ModelError, match=r"^\S+w\.caffemodel: Caffe: Could not open w\.caffemodel$"):
        process.load(prototxt, weights, EDITS)
    with pytest.raises(ModelError, match=r"gone\.prototxt: no such file"):
        process.load(tmp_path / "gone.prototxt", None, EDITS)
    prototxt.write_text(PROTOTXT.replace("amount", "quantity"), encoding="utf-8")
    with pytest.raises(ModelError, match=r'^Caffe: .*no field named "quantity"'):
        process.load(prototxt, None, EDITS)
    prototxt.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ModelError, match=r"^Caffe: .*codec can't decode"):
        process.load(prototxt, None, EDITS)
    prototxt.write_text(PROTOTXT, encoding="utf-8")
    assert process.load(prototxt, None, EDITS).inputs == ("x",)


@pytest.mark.parametrize(("kind", "reason"), [("Die", "the last words"), ("Kill", "it was ended by SIGKILL")])
def test_a_death_is_one_line_and_the_next_network_gets_a_new_process(
    process: CaffeProcess, prototxt: Path, kind: str, reason: str
) -> None:
    prototxt.write_text(
        PROTOTXT.replace('type: "Add" bottom: "y"', f'type: "{kind}" bottom: "y"'), encoding="utf-8"
    )
    net = process.load(prototxt, None, EDITS)
    with pytest.raises(ModelError, match=f"^Caffe stopped: {reason}$"):
        net.forward({"x": np.zeros((2, 3))}, ["y"])
    with pytest.raises(ModelError, match="load the network again"):
        net.forward({"x": np.zeros((2, 3))}, ["y"])
    assert process.load(prototxt, None, EDITS).blobs["y"] == (2, 3)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_process(process: CaffeProcess, prototxt: Path) -> None:
    prototxt.write_text(
        PROTOTXT.replace('type: "Add" bottom: "y"', 'type: "Sleep" bottom: "y"'), encoding="utf-8"
    )
    net = process.load(prototxt, None, EDITS)
    threading.Timer(0.2, os.kill, (os.getpid(), 2)).start()
    with pytest.raises(KeyboardInterrupt):
        net.forward({"x": np.zeros((2, 3))}, ["y"])
    with pytest.raises(ModelError, match="load the network again"):
        net.forward({"x": np.zeros((2, 3))}, ["y"])


def test_nothing_stays_behind(
    modules: Path, prototxt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, scratch = tmp_path / "pid", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("PYTHONPATH", str(modules))
    python = launcher(tmp_path / "python", f'echo $$ > "{pid}"', f'exec "{sys.executable}" "$@"')
    net = CaffeProcess(python).load(prototxt, None, EDITS)
    # a network keeps its process
    gc.collect()
    assert net.forward({"x": np.zeros((1, 3))}, ["y"])[0].tolist() == [[11, 11, 11]]
    assert list(scratch.iterdir())
    del net
    gc.collect()
    assert not list(scratch.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_interpreters_without_caffe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"has no Caffe that works: No module named 'caffe'$"):
        CaffeProcess(sys.executable).start()
    placeholder = tmp_path / "placeholder"
    (placeholder / "caffe").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(placeholder))
    with pytest.raises(ModelError, match=r"its module caffe is something else: it has no Net$"):
        CaffeProcess(sys.executable).start()
    (placeholder / "caffe" / "__init__.py").write_text("raise SystemExit('wrong machine')", encoding="utf-8")
    with pytest.raises(ModelError, match=r"has no Caffe that works: wrong machine$"):
        CaffeProcess(sys.executable).start()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["exit 0"], "$"),
        (["echo not today >&2", "exit 1"], ": not today$"),
        (['exec cat "$@"'], "$"),
        (["while echo yes; do :; done"], "$"),
    ],
)
def test_programs_that_are_no_python(tmp_path: Path, lines: list[str], reason: str) -> None:
    program = launcher(tmp_path / "program", *lines)
    with pytest.raises(ModelError, match=f"^{program}: is no Python that runs Caffe{reason}"):
        CaffeProcess(program).start()


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text", encoding="utf-8")
    with pytest.raises(ModelError, match=r"gone: cannot be started: No such file or directory$"):
        CaffeProcess(tmp_path / "gone").start()
    for path in (tmp_path, tmp_path / "text"):
        with pytest.raises(ModelError, match=r": cannot be started: Permission denied$"):
            CaffeProcess(path).start()


def test_a_program_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extract.pycaffe.connection._PATIENCE", 0.2)
    program = launcher(tmp_path / "program", "exec sleep 60")
    with pytest.raises(ModelError, match=r"is no Python that runs Caffe: no answer in 0\.2 s$"):
        CaffeProcess(program).start()


@pytest.mark.parametrize("spelling", ["bin/my python", "./here", "~/bin/my python", "on-the-path"])
def test_how_the_user_may_name_an_interpreter(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/my python", "here", "bin/on-the-path"):
        launcher(tmp_path / name, f'PYTHONPATH="{modules}" exec "{sys.executable}" "$@"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with find_caffe({**os.environ, "CNNVIS_CAFFE_PYTHON": spelling}) as process:
        assert process.python == spelling


def test_the_usual_interpreters_are_tried(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    monkeypatch.setenv("PATH", str(tmp_path))
    message = "neither python3 nor python on the PATH does: set CNNVIS_CAFFE_PYTHON to one"
    with pytest.raises(ModelError, match=message):
        find_caffe({"PATH": str(tmp_path)})
    launcher(tmp_path / "python", f'PYTHONPATH="{modules}" exec "{sys.executable}" "$@"')
    with find_caffe({"PATH": str(tmp_path)}) as process:
        assert process.python == str(tmp_path / "python")


def test_a_wrong_choice_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^CNNVIS_CAFFE_PYTHON=\S+/none: cannot be started: "):
        find_caffe({"CNNVIS_CAFFE_PYTHON": str(tmp_path / "none")})


def imported(name: str, *tensors: str, **parameters: str) -> ImportedLayer:
    return ImportedLayer(name, "Any", tensors, tensors, parameters)


def described(index: int, name: str, bottoms: str, tops: str, shared: str = "") -> NetLayer:
    layer = message("LayerParameter")
    if shared:
        layer.param.add().name = shared
    return NetLayer(name, "Any", tuple(bottoms.split()), tuple(tops.split()), layer, index)


NET = Net(
    "net",
    Path("net.prototxt"),
    (NetInput("x", (1, 2)), NetInput("z", (1, 3))),
    (
        described(2, "a", "x", "b"),
        described(3, "a2", "b", "b"),
        described(5, "b", "b", "c d", shared="w"),
        described(6, "c", "z", "e", shared="w"),
        described(7, "a", "e", "f"),
    ),
)
LAYERS = (
    imported("a", "b@a", weight="a.weight"),
    imported("a2", "b"),
    imported("b", "c", "d", weight="b.weight"),
    imported("c", "e", weight="b.weight"),
    imported("a:1", "f"),
)


def test_edits_name_each_value_of_a_blob() -> None:
    found = edits(NET, LAYERS)
    assert found.inputs == NET.inputs
    assert [(e.name, e.index, e.bottoms, e.tops) for e in found.layers] == [
        ("a", 2, ("x",), ("b@a",)),
        ("a2", 3, ("b@a",), ("b",)),
        ("b", 5, ("b",), ("c", "d")),
        ("c", 6, ("z",), ("e",)),
        ("a:1", 7, ("e",), ("f",)),
    ]
    assert [found.layers[0].parameter(i) for i in range(3)] == ["a.weight", "a.bias", "a.param2"]


@pytest.mark.parametrize(
    ("tensors", "inputs", "kept"),
    [
        (["b@a"], "x", "a"),
        (["x", "z"], "xz", ""),
        (["d"], "x", "a a2 b"),
        (["a.weight"], "x", "a"),
        # the owner of shared weights comes along, and so does the first layer of a name
        (["e"], "xz", "a a2 b c"),
        (["f"], "xz", "a a2 b c a:1"),
    ],
)
def test_edits_keep_what_is_needed(tensors: list[str], inputs: str, kept: str) -> None:
    found = edits(NET, LAYERS, tensors)
    assert [i.blob for i in found.inputs] == list(inputs)
    assert [layer.name for layer in found.layers] == kept.split()


def test_edits_refuse_steps_inside_layers() -> None:
    with pytest.raises(ModelError, match="'a/Conv0' is no blob or parameter"):
        edits(NET, LAYERS, ["a/Conv0"])


def test_last_words_span_lines_and_leave_out_the_list_of_types() -> None:
    log = textwrap.dedent(
        """\
        I20260102 03:04:05.678901 12345 net.cpp:86] Creating Layer conv 1
        F20260102 03:04:05.678901 12345 some_layer.cpp:7] Check failed: a == b (1 vs. 2) one
        two (known types: AbsVal, TanH)
        *** Check failure stack trace: ***
            @     0x7f0000000000  google::LogMessage::Fail()
        Aborted
        """
    )
    assert last_words(log, -6) == "Caffe stopped at layer 'conv 1': Check failed: a == b (1 vs. 2) one two"
    assert last_words("", 134) == "Caffe stopped: it was ended by SIGABRT"
    assert last_words("", 3) == "Caffe stopped: it ended with status 3"
    assert last_words("", None) == "Caffe stopped: it no longer answers"
    assert len(last_words("x" * 10_000, 1)) < 500
