"""Makes the golden of phase rules with real Caffe: ``CAFFE_PYTHON make_phases.py FOLDER``.

For levels and stages it writes which layers of phases.prototxt Caffe keeps in its TEST phase, to phases.json.
The one here comes from Debian 11's python3-caffe 1.0.0+git20180821.99bd997-8.
"""

import json
import sys
from pathlib import Path

import caffe

STATES = [(0, []), (1, []), (2, []), (-2, []), (0, ["a"]), (0, ["b"]), (1, ["a", "b"]), (2, ["b", "c"])]


def main():
    """Write the golden."""
    folder = Path(sys.argv[1])
    kept = []
    for level, stages in STATES:
        net = caffe.Net(str(folder / "phases.prototxt"), caffe.TEST, level=level, stages=stages or None)
        names = [name for name in net._layer_names if not name.endswith("_split")]
        kept.append({"level": level, "stages": stages, "layers": names})
    (folder / "phases.json").write_text(json.dumps(kept, indent=1) + "\n")


main()
