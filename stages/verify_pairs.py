"""Verify the pairs of a list by LFW's protocol. Without a list, write an empty table."""

from collections.abc import Sequence

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation import judging, listed
from ftlgan.evaluation.provenance import check_photos
from ftlgan.evaluation.tables import DATA, METRICS, read_probes, remove_stale
from ftlgan.params import Params, load_params

PAIRS, TABLE = DATA / "pairs.csv", METRICS / "pairs.csv"


def verify_pairs(params: Params) -> list[listed.ListResult]:
    settings = params.evaluate
    listed.check_nobody_listed_is_trained_on(PAIRS, DATA / "aligned")
    copies = check_photos(DATA / "aligned", DATA / "small").copies
    return [
        result
        for judge in params.recognition.judges
        for result in listed.verify(
            PAIRS,
            judge,
            judging.read_embedded(DATA / "gallery" / judge, copies),
            read_probes(params, judge, copies),
            settings.replicates,
            settings.confidence,
            params.seed,
        )
    ]


def write(params: Params, found: Sequence[listed.ListResult]) -> None:
    import pandas as pd  # takes seconds, so check params first

    teachers = judging.read_teachers(DATA / "restored" / params.test.conditions[0], params.models)
    rows = listed.list_table(found, params.res, teachers)
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=listed.COLUMNS)
    with writing(TABLE):
        table.to_csv(TABLE, index=False, lineterminator="\n")
    if rows:
        shown = ["condition", "method", "judge", "box", "protocol", "accuracy", "accuracy_error", "auc"]
        print(table[shown].to_string(index=False, float_format="%.4f"))


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.mkdir(exist_ok=True)
    remove_stale(params)
    if not listed.has_pairs(PAIRS):
        write(params, [])
        return
    with tracking.run("verify_pairs", params.model_dump(by_alias=True)) as run:
        found = verify_pairs(params)
        write(params, found)
        run.log_final(listed.list_scalars(found, params.test.conditions[0]))
        run.log_artifact(TABLE)


if __name__ == "__main__":
    main()
