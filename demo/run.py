"""The demo: a trained network, a cat, and volumes for every viewer. ``python -m demo.run FOLDER``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

DESCRIPTION = Path(__file__).parent / "efficientnet-lite0.toml"
PICTURE = Path(__file__).parent / "model" / "chelsea.png"
# the cat, another animal, and no animal at all
PHOTOS = [PICTURE, PICTURE.with_name("dalmatian.jpg"), PICTURE.with_name("coffee.png")]
NETWORK = "efficientnet-lite0"

LAYERS = ("stem.conv.relu6", "blocks.2.expand.relu6", "blocks.5.project", "head.conv.relu6")
FORMATS = "nrrd,nii,nii.gz,vox+mhd+nhdr,mha,vti,vtk,hdf,vtkhdf"
SHOWN = "blocks.2.expand.relu6"

# The class that the network should see, and what its gradients are taken by.
CAT = "fc:282"
FILTERS, GRADED = "stem.conv.weight", "blocks.5.project"
SERIES = "nrrd,nii.gz,vti,vtkhdf,vox"


def run(*words: str | Path) -> list[str]:
    """Run a `cnnvis` command as a user would, and return the paths that it wrote."""
    shown = ["cnnvis", *(w.name if isinstance(w, Path) and w.is_absolute() else str(w) for w in words)]
    print("$", " ".join(shown), flush=True)
    command = [sys.executable, "-m", "cnnvis", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def predicted(folder: Path) -> str:
    """Return the class that the network gives the picture, with its probability."""
    from converters import read
    from extract.description import read_description

    volume = read(folder / f"model-{NETWORK}_img-chelsea_layer-probabilities_act.nrrd")
    labels = read_description(DESCRIPTION).labels
    probabilities = volume.data.ravel()[: len(labels)]
    best = int(probabilities.argmax())
    return f"{labels[best]} (class {best}, probability {probabilities[best]:.2f})"


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code of the first command that fails, else 0."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files go")
    out = parser.parse_args(arguments).folder
    stem = f"model-{NETWORK}_img-chelsea_layer"
    volume, gradient = f"{stem}-{SHOWN}_act", f"{stem}-{GRADED}_target-{quote(CAT)}_grad"
    filters = f"{stem}-{FILTERS.replace('.weight', '_param-weight')}_target-{quote(CAT)}_grad"
    series = f"model-{NETWORK}_layer-{GRADED}_target-{quote(CAT)}_order-smooth_grad"
    source = [DESCRIPTION, "--image", PICTURE, "-o", out]
    try:
        for layer in LAYERS:
            source += ["--layer", layer]
        written = run("activations", *source, "--format", FORMATS, "--preset", "auto")
        run("activations", DESCRIPTION, "--image", PICTURE, "-o", out, "--layer", "probabilities")
        run("weights", DESCRIPTION, "--layer", "stem.conv", "-o", out, "--preset", "signed")
        run("montage", out / f"{volume}.nrrd", "-o", out / "montage.png")
        run("render", out / f"{volume}.nrrd", "-o", out / "preview.png")
        source = [DESCRIPTION, "--image", PICTURE, "-o", out, "--target", CAT]
        for name in (FILTERS, GRADED, "image"):
            source += ["--wrt", name]
        run("gradients", *source, "--format", FORMATS, "--preset", "signed")
        for kind, picture, name in (("montage", "filters", filters), ("render", "gradient", gradient)):
            run(kind, out / f"{name}.nrrd", "-o", out / f"{picture}.png", "--preset", "signed")
        source = [DESCRIPTION, "-o", out, "--target", CAT, "--wrt", FILTERS, "--wrt", GRADED]
        for photo in PHOTOS:
            source += ["--image", photo]
        run("gradients", *source, "--series", "--format", SERIES, "--order", "smooth", "--preset", "signed")
        run("render", out / f"{series}.seq.nrrd", "-o", out / "series.gif", "--preset", "signed")
        run("render", out / f"{volume}.nrrd", "-o", out / "turn.gif", "--turn", "24")
        run("gallery", out, "-o", out / "index.html", "--title", "EfficientNet-Lite0 looks at a cat")
    except subprocess.CalledProcessError as error:
        return error.returncode
    print(f"""
The network sees: {predicted(out)}

{len(written)} files and more are in {out}. A look without a viewer: index.html in a browser, or the pictures
montage.png, preview.png and turn.gif; and what would make the cat more of a cat, in its first filters and a
layer: filters.png and gradient.png. In a viewer:

  ParaView    cd {out}; paraview --script={volume}.vti.paraview.py
  3D Slicer   open {out}/{volume}.nrrd.mrml
  CGV         drop {out}/{volume}.vox on the viewer;
              its transfer function is {volume}.vox.cgv.xml
  all others  {volume}.nii.gz, .nrrd, .mha, .vti, .vtk, .hdf

The gradient is {gradient}, in every format too. For the cat, a dog and a cup of coffee, one after another,
it is {series}:
.seq.nrrd.mrml for 3D Slicer, .pvd.paraview.py for ParaView, _000.vox and so on for CGV; series.gif plays it.

Who owns the photo of the dog is not known: do not pass it on, nor index.html, which shows it.

The picture that the layers overlay is model-{NETWORK}_img-chelsea_input, in every format.
Next: cnnvis layers demo/{DESCRIPTION.name}, and `make help`.""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
