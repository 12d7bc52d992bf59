"""Networks that Caffe refuses are refused: an error of one line that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.caffe.importer import import_net
from extract.caffe.prototxt import read_net
from extract.errors import ModelError
from tests.caffe.refused import refused_cases

REFUSED = refused_cases()


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(REFUSED[name].prototxt)
    with pytest.raises(ModelError, match="layer") as caught:
        import_net(read_net(prototxt))
    assert "\n" not in str(caught.value)
