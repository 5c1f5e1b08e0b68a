"""The miniature: a drawn world with trained networks, inside the package. Needs no network.

`data` is a release of PDST's exact counts; `weights` holds a generator in the folder layout of
Stable Diffusion 1.5, a CLIP in that of open_clip and a DINO in that of timm. All are trained by
us, on scenes whose subjects are not those of the release.
"""

from pathlib import Path

HOME = Path(__file__).parent
DATA = HOME / "data"
"""The release; `pdst.load("miniature")` opens it."""
TRUTH = HOME / "truth"
"""Renders of known fidelity; see `pdst.miniature.truth`."""
GENERATOR = HOME / "weights" / "generator"
"""`StableDiffusionPipeline.from_pretrained(GENERATOR)` opens it."""
CLIP = HOME / "weights" / "clip"
"""`pdst.encoders.load_clip("miniature")` opens it."""
DINO = HOME / "weights" / "dino"
"""`pdst.encoders.load_dino("miniature")` opens it."""
