"""Where a subcommand draws."""

from pathlib import Path


def check_format(out: Path | None) -> None:
    """To be called before the work, which may take long.

    Raises:
        ValueError: If the file's name ends in no format that matplotlib draws.
    """
    if out is None:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if out.suffix[1:].lower() not in formats:
        raise ValueError(f"--out {str(out)!r} must end in one of {', '.join(sorted(formats))}. Name it plot.png.")
