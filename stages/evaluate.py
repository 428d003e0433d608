"""Judge the restored faces: figures, curves, and a sheet of faces to look at."""

import json
from pathlib import Path

import pandas as pd

from ftlgan import evaluation, figures, tracking
from ftlgan.errors import one_line_errors
from ftlgan.faces import read_table
from ftlgan.params import Params, load_params
from ftlgan.sheet import read_sheet

METRICS = Path("metrics")


def evaluate(params: Params, run: tracking.Run) -> None:
    judges, settings = params.recognition.judges, params.evaluate
    results = [
        result
        for judge in judges
        for result in evaluation.evaluate(
            judge,
            evaluation.read_embedded(Path("data/gallery") / judge),
            {method: evaluation.read_embedded(Path("data/probes") / method / judge) for method in params.compared},
            settings.replicates,
            settings.confidence,
            params.seed,
        )
    ]
    black_box = evaluation.headline_judge(judges, params.recognition.teacher)
    headline = evaluation.headline(results, black_box)
    (METRICS / "metrics.json").write_text(json.dumps(headline, indent=2) + "\n")
    table = pd.DataFrame(evaluation.verification_table(results, params.res))
    table.to_csv(METRICS / "verification.csv", index=False)
    differences = pd.DataFrame(evaluation.difference_table(results, params.res, settings.confidence))
    differences.to_csv(METRICS / "differences.csv", index=False)
    reasons = read_table(Path("data/rejects.parquet"))["reason"].to_pandas().str.split(":").str[0]
    reasons.value_counts().rename_axis("reason").rename("photos").to_csv(METRICS / "rejects.csv")

    scores = {r.method: r.comparison for r in evaluation.primary(results, black_box)}
    for name, rows in (("roc", evaluation.roc_table(scores)), ("scores", evaluation.score_table(scores))):
        pd.DataFrame(rows).to_csv(METRICS / f"{name}.csv", index=False, float_format="%.6g")

    title = f"{params.res} px, judged by {black_box}"
    figures.save(figures.roc_figure(scores, title), METRICS / "roc.png")
    figures.save(figures.score_figure(scores, title), METRICS / "scores.png")
    figures.save(
        figures.contact_sheet(read_sheet(Path("data"), params.compared, settings.sheet)), METRICS / "faces.png"
    )

    print(
        table[table.protocol != evaluation.LR_LR].drop(columns="protocol").to_string(index=False, float_format="%.3f")
    )
    run.log_final({f"{r.judge}.{r.protocol}.{r.method}.{k}": v for r in results for k, v in r.merits.scalars().items()})
    for path in sorted(METRICS.glob("*.png")):
        run.log_figure(path)
    for path in sorted([*METRICS.glob("*.csv"), *METRICS.glob("*.json")]):
        run.log_artifact(path)


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.mkdir(exist_ok=True)
    with tracking.run("evaluate", params.model_dump(by_alias=True)) as run:
        evaluate(params, run)


if __name__ == "__main__":
    main()
