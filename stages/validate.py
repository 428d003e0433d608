"""Restore the validation people by the trained generator, and ask every judge."""

import json
from pathlib import Path

import numpy as np

from ftlgan import tracking
from ftlgan.errors import one_line_errors
from ftlgan.faces import decode_images, embeddings_of, read_faces
from ftlgan.networks.device import prepare_device
from ftlgan.params import Params, load_params
from ftlgan.progress import progress
from ftlgan.recognition import judge
from ftlgan.restoration.ftlgan import Ftlgan
from ftlgan.verification.merits import d_prime
from ftlgan.verification.pairs import compare

DEGRADED, MODEL, METRICS = Path("data/degraded"), Path("data/model/generator.safetensors"), Path("metrics")


def validate(params: Params) -> dict[str, float]:
    """lr-hr d' of the validation people by each judge."""
    generator = Ftlgan(MODEL, params.res, params.train.device)
    faces = read_faces(DEGRADED, splits=["val"])
    batches = progress(faces.to_batches(64), "validate", unit="batch")
    restored = np.concatenate([generator.restore(decode_images(batch["image"])) for batch in batches])
    found: dict[str, float] = {}
    for name in params.recognition.judges:
        photos = embeddings_of(read_faces(Path("data/gallery") / name, splits=["val"]))
        scores = compare(judge.load(name).embed(restored), photos, faces["identity"].to_numpy())
        found[name] = round(d_prime(scores.genuine, scores.impostor), 4)
    return found


@one_line_errors
def main() -> None:
    params = load_params()
    prepare_device(params.train.device, params.train.seed)
    METRICS.mkdir(exist_ok=True)
    with tracking.run("validate", params.model_dump(by_alias=True)) as run:
        found = validate(params)
        (METRICS / "validation.json").write_text(json.dumps({"val_d_prime": found}, indent=2) + "\n")
        run.log_final({f"{name}.lr-hr.ftlgan.val_d_prime": value for name, value in found.items()})


if __name__ == "__main__":
    main()
