"""What verification found, as a table. No TensorFlow here."""

from typing import Any

from rich.table import Table


def promise(manifest: dict[str, Any]) -> str:
    """What the table of an exported model's checks shows, after "it"."""
    kind = manifest.get("quantize")
    return f"is the Keras model in {kind}, less no more than is allowed" if kind else "computes what the Keras model does"


def parity_table(checks: list[dict[str, Any]]) -> Table:
    """How closely an exported model was found to compute what the Keras model does: the manifest's parity checks."""
    table = Table("signature", "judged")
    for column in ("batch", "steps", "error", "limit"):
        table.add_column(column, justify="right")
    table.add_column("")
    for check in checks:
        table.add_row(
            check["signature"], check["judged"], str(check["batch"]), str(check["steps"]), f"{check['error']:.1e}",
            f"{check['limit']:.0e}", check["note"] or ("ok" if check["error"] <= check["limit"] else "FAILED"),
        )  # fmt: skip
    return table
