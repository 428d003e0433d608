"""`ftlgan pack`: make a kit of trained generators for `ftlgan restore` and `ftlgan match`."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import save

from ftlgan.errors import ParamsError, writing
from ftlgan.networks.weights import KEY, load_generator
from ftlgan.new_folder import new_folder
from ftlgan.params import BUILT_IN
from ftlgan.recognition import Recognizer, recognizers
from ftlgan.recognition.embedding import embed_images
from ftlgan.tool.crops import aligned_crop
from ftlgan.tool.kit import MATCH, Comparisons, HeldOut, MatchFile, Protocol, curves_of, false_matches
from ftlgan.tool.probes import Person, photos_of_test_people, small_faces
from ftlgan.tool.restorer import Restorer
from ftlgan.verification.calibration.counts import CountedScores, count_pairs
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.calibration.report import report
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.weights.models import description_of
from ftlgan.weights.packaged import sha256_of

SIZES = (10, 14, 17, 20, 28, 40, 56, 80)
"""The face sizes for which a kit has statistics, pixels. A face of another size counts as the next smaller one."""
JUDGE = "dlib"
"""The recognizer that embeds the faces; it must be in no loss of a generator."""
FEWEST_DRAWS = 1
"""The number of bootstrap draws where no interval is used."""


def pack(
    models: Sequence[Path], data: Path, folder: Path, photos: int, described: str, replicates: int, seed: int
) -> None:
    """Write a kit: the generators in half precision, and statistics of the faces that they restore.

    The realistic chain shrinks photos of the test people. The faces are found in the small photos, restored as by
    `ftlgan restore`, embedded by the judge, and compared with the other photos and with each other.

    Args:
        models: the `generator.safetensors` files of trained models, one for each resolution.
        data: the folder of the pipeline's tables; none of the models may have seen its test people.
        folder: a new or empty folder for the kit.
        photos: the most photos per person.
        described: a description of the photos, in a sentence.
        replicates: the number of bootstrap draws for the intervals.
        seed: the seed of the degradation and of the draws.

    Raises:
        ParamsError: if two models have one resolution.
        DataError: if there are no test people, or the kit can't be written.
        WeightsError: if a file is not a generator.
    """
    people = photos_of_test_people(data, photos)
    with new_folder(folder) as aside:
        for model in models:
            _write_half(model, aside)
        files = sorted(aside.glob("*.safetensors"))
        if len(files) < len(models):
            raise ParamsError(f"{', '.join(map(str, models))}: two have one resolution; give one for each")
        judge = recognizers.load(JUDGE)
        found = _comparisons(people, Restorer.load(files), judge, replicates, seed)
        digests = sorted(sha256_of(file) for file in files)
        MatchFile(
            format=2,
            judge=JUDGE,
            sha256=BUILT_IN[JUDGE],
            generators=tuple(digests),
            photos=described,
            comparisons=tuple(found),
        ).save(aside / MATCH)
    print(f"{folder}: {len(models)} generators, and {MATCH} from {len(people)} photos of {len(_names(people))} people")


def _names(people: Sequence[Person]) -> set[str]:
    return {person.identity for person in people}


def _write_half(model: Path, folder: Path) -> None:
    """Write weights in half precision, 2 MB per million. The network still computes in single precision."""
    description = description_of(model)
    if any(teacher["sha256"] == BUILT_IN[JUDGE] for teacher in description["teachers"]):
        raise ParamsError(f"{model}: {JUDGE} was in its loss and can't judge it; give a model with another teacher")
    generator = load_generator(model, description["res"])
    tensors = {name: tensor.half().contiguous() for name, tensor in generator.state_dict().items()}
    path = folder / f"{description['res']}.safetensors"
    with writing(path):
        path.write_bytes(save(tensors, {KEY: json.dumps(description, sort_keys=True)}))


def _comparisons(
    people: Sequence[Person], restorer: Restorer, judge: Recognizer, replicates: int, seed: int
) -> list[Comparisons]:
    identities = {person.face_id: person.identity for person in people}
    high = embed_images(judge, np.stack([person.aligned for person in people]))
    references = _faces([person.face_id for person in people], identities, high)
    found: list[Comparisons] = []
    for size in SIZES:
        names, crops, sizes = list[str](), list[np.ndarray](), list[float]()
        for small in small_faces(list(people), size, seed):
            names.append(small.face_id)
            crops.append(aligned_crop(small.photo, small.face, restorer.side_for(small.size)))
            sizes.append(small.size)
        _, restored = restorer.restore_each(crops, sizes)
        probes = _faces(names, identities, embed_images(judge, np.stack(restored)))
        sides: tuple[tuple[Protocol, Faces | None], ...] = (("lr-hr", references), ("lr-lr", None))
        for protocol, others in sides:
            counted = count_pairs(AllPairs(probes, others))
            held_out = hold_out(probes, others, seed)
            found.append(_compared(counted, held_out, size, protocol, judge, replicates, seed))
    return found


def hold_out(probes: Faces, references: Faces | None, seed: int) -> HeldOut:
    """Split the people into two halves at random, fit a calibration on each, and test it on the other.

    Args:
        probes: the small faces, restored.
        references: the other side of the comparisons; None to compare the probes with each other.
        seed: the seed of the split.

    Returns:
        The mean of the two tests.

    Raises:
        DataError: if a half has too few people with two photos.
    """
    people = np.random.default_rng(seed).permutation(np.unique(probes.identities))
    halves: list[CountedScores] = []
    for half in np.array_split(people, 2):
        others = references and references.take(np.isin(references.identities, half))
        halves.append(count_pairs(AllPairs(probes.take(np.isin(probes.identities, half)), others)))
    tests: list[tuple[float, float]] = []
    for fitted, others in (halves, halves[::-1]):
        line = fit(fitted, {}, replicates=FEWEST_DRAWS).line
        metrics = report(line, others, FEWEST_DRAWS).metrics
        tests.append((metrics["cllr"].value, metrics["cllr_min"].value))
    cllr, cllr_min = np.mean(tests, axis=0).tolist()
    return HeldOut(cllr=cllr, cllr_min=cllr_min)


def _faces(face_ids: Sequence[str], identities: dict[str, str], embeddings: np.ndarray) -> Faces:
    return Faces(np.array(face_ids), np.array([identities[name] for name in face_ids]), embeddings)


def _compared(
    counted: CountedScores,
    held_out: HeldOut,
    size: int,
    protocol: Protocol,
    judge: Recognizer,
    replicates: int,
    seed: int,
) -> Comparisons:
    recognizer = {"recognizer": judge.name, "sha256": judge.sha256}
    calibration = fit(
        counted, recognizer, "cosine", f"{size} px", "realistic, found", protocol, replicates=replicates, seed=seed
    )
    genuine, impostor = (shares[0] for shares in counted.whole.shares)
    scores, rates = false_matches(counted.whole.scores, impostor)
    return Comparisons(
        size=size,
        protocol=protocol,
        calibration=calibration,
        held_out=held_out,
        false_match_scores=tuple(scores),
        false_match_rates=tuple(rates),
        curves=curves_of(counted.whole.scores, genuine, impostor),
    )
