"""Tables that more than one subcommand shows."""

from typing import Any

from rich.table import Table


def parity_table(manifest: dict[str, Any]) -> Table:
    """How closely an exported model was found to compute what the Keras model does."""
    table = Table("signature", "judged")
    for column in ("batch", "steps", "error / spread", "limit"):
        table.add_column(column, justify="right")
    for check in manifest["parity"]["checks"]:
        table.add_row(
            check["signature"],
            check["judged"],
            str(check["batch"]),
            str(check["steps"]),
            f"{check['error']:.1e}",
            f"{check['limit']:.0e}",
        )
    return table
