"""`python -m ftlgan.tracking`: deliver the pending logs of earlier runs."""

from ftlgan.errors import FtlganError, one_line_errors
from ftlgan.tracking.spool import repository_root
from ftlgan.tracking.store import Store, brief, deliver_older, shown_uri, silence


@one_line_errors
def main() -> None:
    """Deliver pending logs, and print a line for each run."""
    root = repository_root()
    try:
        with silence():
            store = Store(root)
            lines = deliver_older(store, root)
    except Exception as error:
        raise FtlganError(f"MLflow at {shown_uri(root)} can't be opened ({brief(error)})") from error
    print("\n".join(lines) or "nothing to deliver")


if __name__ == "__main__":
    main()
