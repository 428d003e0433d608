"""Judge the restored faces: figures, curves, where they come from, and a sheet of faces to look at."""

import json
from pathlib import Path

from ftlgan import evaluation, origin, tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.faces import read_table
from ftlgan.leftovers import remove_leftovers
from ftlgan.params import Params, load_params
from ftlgan.sheet import read_sheet

DATA, METRICS = Path("data"), Path("metrics")
TABLES = ("metrics.json", "origin.json", "verification.csv", "differences.csv", "rejects.csv", "roc.csv", "scores.csv")


def evaluate(params: Params, run: tracking.Run) -> None:
    import pandas as pd  # this and matplotlib take seconds: a wrong param is said first

    from ftlgan import figures

    judges, settings = params.recognition.judges, params.evaluate
    remove_leftovers(DATA / "gallery", judges)
    for tables in ("probes", "restored"):
        remove_leftovers(DATA / tables, params.compared)
    remove_leftovers(METRICS / "validation", [f"{model}.json" for model in params.models])
    photos = origin.check_photos(DATA / "aligned")
    galleries = {judge: evaluation.read_embedded(DATA / "gallery" / judge, photos.copies) for judge in judges}
    results = [
        result
        for judge, gallery in galleries.items()
        for result in evaluation.evaluate(
            judge,
            gallery,
            {m: evaluation.read_embedded(DATA / "probes" / m / judge, photos.copies) for m in params.compared},
            settings.replicates,
            settings.confidence,
            params.seed,
        )
    ]
    black_box = evaluation.headline_judge(judges, params.recognition.teacher)
    reasons = read_table(DATA / "rejects.parquet")["reason"].to_pandas().str.split(":").str[0]
    rejects = reasons.value_counts().rename_axis("reason").rename("photos")
    came_from = origin.origin(params, photos, {str(k): int(n) for k, n in rejects.items()}, galleries, results)
    table = pd.DataFrame(evaluation.verification_table(results, params.res))
    differences = pd.DataFrame(evaluation.difference_table(results, params.res, settings.confidence))
    merits = {r.method: r.merits for r in evaluation.primary(results, black_box)}
    title = f"{params.res} px, judged by {black_box}"
    drawn = {
        "roc": figures.roc_figure(merits, title),
        "scores": figures.score_figure(merits, title),
        "faces": figures.contact_sheet(read_sheet(DATA, params.compared, settings.sheet)),
    }
    with writing(METRICS):
        for name, content in (("metrics", evaluation.headline(results, black_box)), ("origin", came_from)):
            (METRICS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
        table.to_csv(METRICS / "verification.csv", index=False)
        differences.to_csv(METRICS / "differences.csv", index=False)
        rejects.to_csv(METRICS / "rejects.csv")
        for name, rows in (("roc", evaluation.roc_table(merits)), ("scores", evaluation.score_table(merits))):
            pd.DataFrame(rows).to_csv(METRICS / f"{name}.csv", index=False, float_format="%.6g")
        for name, figure in drawn.items():
            figures.save(figure, METRICS / f"{name}.png")

    shown = table[table.protocol != evaluation.LR_LR].filter(regex="^(method|judge|people|d_prime|auc|eer)")
    print(shown.to_string(index=False, float_format="%.3f"))
    run.log_final(evaluation.scalars(results))
    for name in drawn:
        run.log_figure(METRICS / f"{name}.png")
    for name in TABLES:
        run.log_artifact(METRICS / name)


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.mkdir(exist_ok=True)
    with tracking.run("evaluate", params.model_dump(by_alias=True)) as run:
        evaluate(params, run)


if __name__ == "__main__":
    main()
