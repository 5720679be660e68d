"""A diagnosis as a table and as a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasrnn.diagnostics.diagnosis import Diagnosis, LayerDiagnosis

_STYLES = {"exploding": "red", "saturated": "yellow", "vanishing": "yellow", "healthy": "green"}
_FIGURES = (
    ("half-life of the gradient, steps", "half_life", ".3g"),
    ("share left half-way back", "remaining", ".2g"),
    ("its growth", "growth", ".3g"),
    ("Jacobian's largest singular value", "singular_value", ".3f"),
    ("and its spectral radius", "spectral_radius", ".3f"),
    ("Lyapunov exponent, nats a step", "lyapunov", "+.3f"),
)
_WIDTH = 140


def renderable(diagnosis: "Diagnosis") -> Group:
    """What rich prints of a diagnosis: a column for each layer, so that it fits a terminal, and what to try."""
    table = Table("layer")
    for layer in diagnosis.layers:
        table.add_column(Text(f"{layer.name}\n{layer.cell}, {layer.steps} steps"), justify="right")
    verdicts = [Text(layer.verdict, _STYLES[layer.verdict]) for layer in diagnosis.layers]
    table.add_row("verdict", *verdicts)
    for title, name, form in _FIGURES:
        table.add_row(title, *(f"{layer.figures()[name]:{form}}" for layer in diagnosis.layers))
    table.add_row("saturated gates", *(_gates(layer) for layer in diagnosis.layers))
    lines: list[Any] = [table]
    if diagnosis.gradient_norm is not None:
        clipped = "" if diagnosis.clipped is None else f"; {diagnosis.clipped:.0%} of steps are clipped"
        lines.append(Text(f"norm of the batch's gradient {diagnosis.gradient_norm:.3g}{clipped}"))
    elif diagnosis.clipped is not None:
        lines.append(Text(f"{diagnosis.clipped:.0%} of steps are clipped"))
    lines.append(Text(f"{diagnosis.verdict}" + (". What to try:" if diagnosis.advice else ""), _STYLES[diagnosis.verdict]))
    lines += [Text(f"- {advice}") for advice in diagnosis.advice]
    return Group(*lines)


def _gates(layer: "LayerDiagnosis") -> str:
    if not layer.gates:
        return "not known"
    shares = [f"{gate} {share:.0%}" for gate, share in layer.gates.shares.items()]
    return "\n".join([f"{layer.figures()['saturated']:.0%}", *shares])


def text_of(diagnosis: "Diagnosis") -> str:
    """The same as plain text."""
    console = Console(width=_WIDTH, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(renderable(diagnosis))
    return capture.get().rstrip()


def draw(diagnosis: "Diagnosis") -> "Figure":
    """The gradient by lag, the Jacobian over time, Lyapunov exponents and gates of all layers, and what to try."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.4 if diagnosis.advice else 6.6), layout="constrained")
    heights = [1, 1, 0.4 if diagnosis.advice else 0.08]
    flow, jacobian, lyapunov, gates, words = figure.subplot_mosaic(
        [["flow", "jacobian"], ["lyapunov", "gates"], ["words", "words"]], height_ratios=heights
    ).values()
    colors = [f"C{i % 10}" for i in range(len(diagnosis.layers))]
    for layer, color in zip(diagnosis.layers, colors):
        label = f"{layer.name}: {layer.verdict}"
        norms = np.where(layer.flow.norms > 0, layer.flow.norms, np.nan)
        flow.plot(layer.flow.lags, norms, "o-", markersize=3, color=color, label=label)
        jacobian.plot(layer.jacobian.positions, layer.jacobian.singular_values, "o-", markersize=3, color=color)
        jacobian.plot(layer.jacobian.positions, layer.jacobian.spectral_radii, "s--", markersize=3, color=color)
        exponents = layer.lyapunov.exponents
        lyapunov.plot(np.arange(1, len(exponents) + 1), exponents, "o-", markersize=4, color=color)
    flow.set(xlabel="lag k, steps back in time", ylabel="‖∂loss(t)/∂state(t − k)‖", yscale="log")
    flow.set_title("gradient of the loss, back in time")
    flow.legend(fontsize="small")
    jacobian.set(xlabel="time t, steps", ylabel="∂state(t)/∂state(t − 1)", title="Jacobian, in the layers' colours")
    jacobian.axhline(1, color="black", linewidth=0.8, linestyle=":")
    jacobian.plot([], [], "o-", markersize=3, color="black", label="largest singular value")
    jacobian.plot([], [], "s--", markersize=3, color="black", label="spectral radius")
    low, high = jacobian.get_ylim()
    jacobian.set_ylim(low, high + 0.2 * (high - low))  # room for the legend
    jacobian.legend(fontsize="small", loc="upper right", ncols=2)
    lyapunov.set(xlabel="number of the exponent", ylabel="nats a step")
    lyapunov.set_title("Lyapunov exponents: > 0 explodes, < 0 vanishes")
    lyapunov.axhline(0, color="black", linewidth=0.8, linestyle=":")
    lyapunov.set_xticks(range(1, 1 + max(len(layer.lyapunov.exponents) for layer in diagnosis.layers)))
    for axes in (flow, jacobian, lyapunov):
        axes.title.set_fontsize("medium")
        axes.grid(alpha=0.3)
    _draw_gates(gates, diagnosis, colors)
    words.axis("off")
    advice = "\n".join(f"• {advice}" for advice in diagnosis.advice[:4])
    words.text(0, 1, f"What to try:\n{advice}" if advice else "Nothing to mend.", va="top", fontsize="medium", wrap=True)
    figure.suptitle(f"Gradient flow: {diagnosis.verdict}", fontweight="bold")
    return figure


def _draw_gates(axes: Any, diagnosis: "Diagnosis", colors: list[str]) -> None:
    bars = [
        (f"{layer.name}\n{gate}" if place == 0 else f"\n{gate}", layer.gates.low[gate], layer.gates.high[gate], color)
        for layer, color in zip(diagnosis.layers, colors)
        if layer.gates is not None
        for place, gate in enumerate(layer.gates.low)
    ]
    axes.set(ylim=(0, 1.12), ylabel="share of values", title="saturated gates, dark: at 0 or −1, light: at 1")
    if not bars:
        axes.text(0.5, 0.5, "the cells' gates cannot be seen", ha="center", transform=axes.transAxes)
    for place, (_, low, high, color) in enumerate(bars):
        axes.bar(place, low, color=color)
        axes.bar(place, high, bottom=low, color=color, alpha=0.45)
        axes.text(place, low + high + 0.01, f"{low + high:.0%}", ha="center", va="bottom", fontsize="small")
    axes.set_xlim(-0.6, max(len(bars), 4) - 0.4)
    axes.set_xticks(range(len(bars)), [bar[0] for bar in bars], fontsize="small")
    axes.title.set_fontsize("medium")
    axes.grid(axis="y", alpha=0.3)
