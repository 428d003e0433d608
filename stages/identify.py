"""Search a gallery of high-resolution photos for each test person, enrolled or not."""

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation import judging, searching
from ftlgan.evaluation.provenance import check_photos
from ftlgan.evaluation.tables import DATA, METRICS, read_probes, remove_stale
from ftlgan.params import Params, load_params

CMC, FNIR = ("method", "rank", "rate", "lo", "hi"), ("method", "fpir", "fnir", "lo", "hi")
"""The columns of the curves, needed because a curve may have no points."""


def identify(params: Params, run: tracking.Run) -> None:
    import pandas as pd  # this and matplotlib take seconds, so check params first

    from ftlgan import look
    from ftlgan.evaluation.search_plots import identification_plot

    settings, headline = params.evaluate, params.test.conditions[0]
    photos = check_photos(DATA / "aligned", DATA / "small")
    found = [
        result
        for judge in params.recognition.judges
        for result in searching.search(
            judge,
            judging.read_embedded(DATA / "gallery" / judge, photos.copies),
            read_probes(params, judge, photos.copies | photos.without_reference),
            params.identify,
            settings.replicates,
            settings.confidence,
            params.seed,
        )
    ]
    teachers = judging.read_teachers(DATA / "restored" / headline, params.models)
    black_box = judging.headline_judge(params.recognition.judges, teachers)
    reports = searching.primary_searches(found, black_box, headline)
    table = pd.DataFrame(searching.identification_table(found, params.res, teachers))
    cmc = searching.curve_table({method: report.cmc for method, report in reports.items()}, "rank", "rate")
    fnir = searching.curve_table({method: report.fnir for method, report in reports.items()}, "fpir", "fnir")
    title = f"{params.res} px, {headline}, judged by {look.label(black_box)}"
    with writing(METRICS):
        table.to_csv(METRICS / "identification.csv", index=False, lineterminator="\n")
        for name, columns, rows in (("cmc", CMC, cmc), ("fnir", FNIR, fnir)):
            curve = pd.DataFrame(rows, columns=columns)
            curve.to_csv(METRICS / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
        look.save(identification_plot(reports, title), METRICS / "identification.png")

    shown = table.filter(regex="^(condition|method|judge|box|enrolled|rank_.*|fnir_at.*)(?<!_lo)(?<!_hi)$")
    print(shown.to_string(index=False, float_format="%.3f"))
    run.log_final(searching.identification_scalars(found, headline))
    run.log_figure(METRICS / "identification.png")
    for name in ("identification", "cmc", "fnir"):
        run.log_artifact(METRICS / f"{name}.csv")


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.mkdir(exist_ok=True)
    with tracking.run("identify", params.model_dump(by_alias=True)) as run:
        remove_stale(params)
        identify(params, run)


if __name__ == "__main__":
    main()
