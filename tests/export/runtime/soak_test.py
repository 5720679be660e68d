"""Many streams at once for a long time: none leaks into another, and the memory stays flat."""

import threading
import time

import numpy as np
import pytest

from kerasrnn.export.runtime import load

STREAMS, SECONDS, WARM_UP = 32, 120, 30


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


@pytest.mark.slow
def test_32_streams_for_two_minutes(onnx_folder):
    session = load(onnx_folder)
    settings = [
        {"prompt": f"the {'cat' * (i % 4)} ", "max_new_tokens": 40 + 5 * (i % 9), "seed": i, "temperature": 0.6 + 0.1 * (i % 8),
         "top_k": 5 * (i % 3), "stop": "zz" if i % 2 else ""}
        for i in range(STREAMS)
    ]  # fmt: skip
    alone = [session.generate(**s) for s in settings]
    assert len(set(alone)) > STREAMS / 2
    end, written, wrong = time.monotonic() + SECONDS, [0] * STREAMS, []

    def stream(i):
        while time.monotonic() < end and not wrong:
            text = "".join(session.stream(**settings[i])) if written[i] % 2 else session.generate(**settings[i])
            written[i] += 1
            if text != alone[i]:
                wrong.append((i, text))

    threads = [threading.Thread(target=stream, args=[i]) for i in range(STREAMS)]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() < end and not wrong:
        time.sleep(1)
        samples.append(resident())
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert min(written) >= 20, written
    early, late = np.median(samples[WARM_UP : WARM_UP + 20]), np.median(samples[-20:])
    print(f"{sum(written):,} texts; resident memory {early:.0f} MB after {WARM_UP} s, {late:.0f} MB at the end")
    assert late - early < 5, samples
