"""Draw the list of pairs in pairs.txt, as LFW's own was drawn: in each of ten folds, 300 pairs of each kind.

    python docs/results/lfw/draw_pairs.py FOLDER > docs/results/lfw/pairs.txt

FOLDER has the photos of the people in ../lfw-people.txt, a folder for each. The 390 people whom the split of the
pipeline tests (`dataset.test=0.3`, `seed=0`) are divided among the folds, each with about as many genuine pairs; a pair
has people of one fold alone.
"""

import random
import sys
from itertools import combinations
from pathlib import Path

from ftlgan.sources.folder import names
from ftlgan.sources.split import split_people

FOLDS, PER_KIND, PHOTOS = 10, 300, 12


def main() -> None:
    album = Path(sys.argv[1])
    people = names(str(Path(__file__).parents[1] / "lfw-people.txt"))
    count = {name: min(PHOTOS, len(list((album / name).glob("*.jpg")))) for name in people}
    tested = sorted(name for name, split in split_people(people, 0.1, 0.3, 0).items() if split == "test")
    dice = random.Random(0)
    dice.shuffle(tested)
    tested.sort(key=lambda name: -count[name])
    print(f"{FOLDS}\t{PER_KIND}")
    for fold in range(FOLDS):
        own = tested[fold::FOLDS]
        genuine = [(name, *pair) for name in own for pair in combinations(range(1, count[name] + 1), 2)]
        for name, one, other in sorted(dice.sample(genuine, PER_KIND)):
            print(f"{name}\t{one}\t{other}")
        impostor: set[tuple[str, int, str, int]] = set()
        while len(impostor) < PER_KIND:
            one, other = sorted(dice.sample(own, 2))
            impostor.add((one, dice.randint(1, count[one]), other, dice.randint(1, count[other])))
        for one, photo, other, second in sorted(impostor):
            print(f"{one}\t{photo}\t{other}\t{second}")


if __name__ == "__main__":
    main()
