"""Evaluate the restored faces: write metrics, curves, their origin, and a sheet of faces to look at."""

import json

import pyarrow as pa

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation import judging
from ftlgan.evaluation.description import description
from ftlgan.evaluation.provenance import check_photos, origin
from ftlgan.evaluation.tables import DATA, METRICS, read_probes, remove_stale
from ftlgan.faces import count_faces, read_table
from ftlgan.params import Params, load_params

TABLES = ("metrics.json", "origin.json", "verification.csv", "differences.csv", "rejects.csv", "roc.csv", "scores.csv")


def evaluate(params: Params, run: tracking.Run) -> None:
    import pandas as pd  # this and matplotlib take seconds, so check params first

    from ftlgan import look
    from ftlgan.evaluation import plots
    from ftlgan.evaluation.contact_sheet import contact_sheet, read_sheet

    judges, settings, conditions = params.recognition.judges, params.evaluate, params.test.conditions
    headline = conditions[0]
    photos = check_photos(DATA / "aligned", DATA / "small")
    left_out = photos.copies | photos.without_reference
    galleries = {judge: judging.read_embedded(DATA / "gallery" / judge, photos.copies) for judge in judges}
    results = [
        result
        for judge, gallery in galleries.items()
        for result in judging.evaluate(
            judge,
            gallery,
            read_probes(params, judge, left_out),
            settings.replicates,
            settings.confidence,
            params.seed,
        )
    ]
    teachers = judging.read_teachers(DATA / "restored" / headline, params.models)
    black_box = judging.headline_judge(judges, teachers)
    rejected = pa.concat_tables(
        read_table(DATA / f"{name}.parquet", ["reason"]) for name in ("rejects", "small_rejects")
    )
    rejects = rejected["reason"].to_pandas().str.split(":").str[0].value_counts().rename_axis("reason").rename("photos")
    reasons = {str(reason): int(count) for reason, count in rejects.items()}
    small_faces = {condition: count_faces(DATA / "test" / condition, ["test"]) for condition in conditions}
    native = count_faces(DATA / "small", ["train"])
    provenance = origin(params, photos, reasons, galleries, small_faces, native, results, teachers)
    table = pd.DataFrame(judging.verification_table(results, params.res, teachers))
    differences = pd.DataFrame(judging.difference_table(results, params.res, settings.confidence, teachers))
    reports = {result.method: result.report for result in judging.primary(results, black_box, headline)}
    title = f"{params.res} px, {headline}, judged by {look.label(black_box)}"
    pictures = {
        "conditions": plots.condition_plot(results, black_box, f"{params.res} px, judged by {look.label(black_box)}"),
        "roc": plots.roc_plot(reports, title),
        "scores": plots.score_plot(reports, title),
        "faces": contact_sheet(read_sheet(DATA, headline, params.compared, settings.sheet)),
    }
    with writing(METRICS):
        for name, content in (("metrics", judging.headline(results, black_box, headline)), ("origin", provenance)):
            (METRICS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
        table.to_csv(METRICS / "verification.csv", index=False, lineterminator="\n")
        differences.to_csv(METRICS / "differences.csv", index=False, lineterminator="\n")
        rejects.to_csv(METRICS / "rejects.csv", lineterminator="\n")
        for name, rows in (("roc", judging.roc_table(reports)), ("scores", judging.score_table(reports))):
            curve = pd.DataFrame(rows)
            curve.to_csv(METRICS / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
        for name, picture in pictures.items():
            look.save(picture, METRICS / f"{name}.png")

    shown = table[table.protocol != judging.LR_LR].filter(regex="^(condition|method|judge|box|people|d_prime|auc|eer)")
    print(shown.to_string(index=False, float_format="%.3f"))
    run.log_final(judging.scalars(results, black_box, headline))
    run.describe(description(results, black_box, conditions, params.res, settings.confidence))
    for name in pictures:
        run.log_figure(METRICS / f"{name}.png")
    for name in TABLES:
        run.log_artifact(METRICS / name)


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.mkdir(exist_ok=True)
    with tracking.run("evaluate", params.model_dump(by_alias=True)) as run:
        remove_stale(params)
        evaluate(params, run)


if __name__ == "__main__":
    main()
