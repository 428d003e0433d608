"""Bundle the JavaScript for the page of `dvc plots show`, so that the page needs no network."""

from pathlib import Path

from ftlgan.errors import DataError, one_line_errors, writing

PAGE = Path(".dvc/plots/page.html")
"""The page that loads the bundle."""
BUNDLE = Path("dvc_plots/vega.js")
VEGA_LITE = "5.21"
"""The last release of the major version in the schema of DVC's plots."""


@one_line_errors
def main() -> None:
    if not PAGE.is_file():
        raise DataError(f"{PAGE}: there is no such file here; run from the root of the project")
    from vl_convert import javascript_bundle  # 88 MB, so check the folder first

    with writing(BUNDLE):
        BUNDLE.parent.mkdir(exist_ok=True)
        BUNDLE.write_text(javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
