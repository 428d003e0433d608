"""Restore the validation people by a model, and evaluate by every judge: `python stages/validate.py MODEL`."""

import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.faces import decode_images, embeddings_of, read_faces
from ftlgan.networks.device import prepare_device
from ftlgan.params import Params, chosen, load_params
from ftlgan.progress import progress
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_images
from ftlgan.restoration.trained import Trained
from ftlgan.stale_outputs import remove_stale_outputs
from ftlgan.verification.metrics import d_prime
from ftlgan.verification.pairs import compare

DEGRADED, GALLERY, MODELS = Path("data/degraded"), Path("data/gallery"), Path("data/model")
METRICS = Path("metrics/validation")


def validate(params: Params, model: str) -> dict[str, float]:
    """Return the lr-hr d' of the validation people by each judge."""
    remove_stale_outputs(GALLERY, params.recognition.judges)
    weights = MODELS / model / "generator.safetensors"
    generator = Trained(weights, params.res, params.train.device, params.restore.mirror)
    faces = read_faces(DEGRADED, splits=["val"])
    batches = faces.to_batches(generator.faces_per_call)
    restored = chain.from_iterable(generator.restore(decode_images(batch["image"])) for batch in batches)
    restored = np.stack(list(progress(restored, f"restore by {model}", len(faces))))
    found: dict[str, float] = {}
    for name in params.recognition.judges:
        photos = embeddings_of(read_faces(GALLERY / name, splits=["val"]))
        judge = recognizers.load(name, params.recognizers[name])
        embeddings = embed_images(judge, restored)
        scores = compare(embeddings, photos, faces["identity"].to_numpy())
        found[name] = round(d_prime(scores.genuine, scores.impostor), 4)
    return found


@one_line_errors
def main() -> None:
    params = load_params()
    (model,) = chosen(sys.argv[1:], params.models)
    prepare_device(params.train.device, seed=0)  # nothing is random, so any seed will do
    METRICS.mkdir(parents=True, exist_ok=True)
    with tracking.run(f"validate@{model}", params.model_dump(by_alias=True)) as run:
        found = validate(params, model)
        rows = [{"judge": name, "d_prime": value} for name, value in found.items()]
        path = METRICS / f"{model}.json"
        with writing(path):
            path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8", newline="\n")
        run.log_final({f"{name}/lr-hr/{model}.val_d_prime": value for name, value in found.items()})


if __name__ == "__main__":
    main()
